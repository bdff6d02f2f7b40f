"""
Every instrumentation's dialect in MLflow's own terms.

``dialects/`` says, as one table each, where an instrumentation writes what; ``plan`` joins the
tables and reads a span with one look a key; ``mapper`` puts together what MLflow shows.
"""

from processors.mlflow_mapping.processor import (
    MlflowMapping,
    MlflowMappingConfig,
    ResourceAttributesConfig,
)

__all__ = ["MlflowMapping", "MlflowMappingConfig", "ResourceAttributesConfig"]
