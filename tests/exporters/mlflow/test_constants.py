"""What we write ourselves, lest we import MLflow, is what MLflow has."""

import json
import subprocess
import sys

import pytest

from exporters.mlflow import routing, settings
from gateway import local_mlflow

# In a process of its own: importing MLflow takes seconds and warns.
ASK = """
import json
from mlflow.environment_variables import (
    MLFLOW_DISABLE_TELEMETRY, MLFLOW_MODEL_CATALOG_URI, MLFLOW_SERVER_ENABLE_JOB_EXECUTION,
)
from mlflow.server.security_utils import INVALID_HOST_MSG
from mlflow.tracing.utils.otlp import (
    MLFLOW_EXPERIMENT_ID_HEADER, MLFLOW_RUN_ID_HEADER, OTLP_TRACES_PATH,
)
from mlflow.utils.workspace_utils import WORKSPACE_HEADER_NAME
print(json.dumps({
    "headers": [MLFLOW_EXPERIMENT_ID_HEADER, MLFLOW_RUN_ID_HEADER, WORKSPACE_HEADER_NAME.lower()],
    "path": OTLP_TRACES_PATH,
    "host": INVALID_HOST_MSG,
    "variables": [
        MLFLOW_MODEL_CATALOG_URI.name, MLFLOW_DISABLE_TELEMETRY.name,
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION.name,
    ],
}))
"""


@pytest.mark.slow
def test_constants_are_mlflows() -> None:
    """Headers, path, the words of a refused host, and the variables for a local server."""
    said = subprocess.run([sys.executable, "-P", "-c", ASK], capture_output=True, check=True)
    theirs = json.loads(said.stdout.splitlines()[-1])

    ours = [routing.EXPERIMENT_HEADER, routing.RUN_HEADER, routing.WORKSPACE_HEADER]
    assert theirs["headers"] == ours
    assert theirs["path"] == settings.TRACES_PATH
    assert "Invalid Host" in theirs["host"]
    assert set(theirs["variables"]) <= set(local_mlflow._ENVIRONMENT)
