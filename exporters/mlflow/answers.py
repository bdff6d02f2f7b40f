"""
What MLflow's answers mean.

Source: measured on MLflow 3.17 and 3.18, see ``docs/exporters/mlflow.md``.
"""

import re
from typing import Literal

import msgspec

from exporters.http_client import Answer, retry_after
from exporters.http_settings import without_secrets
from exporters.otlp_answers import error_text
from gateway.errors import Flow
from gateway.plugin import Reject, Retry

_FOREIGN = re.compile(r"already (?:exists )?in another experiment", re.IGNORECASE)
"""What MLflow 3.18 says of a trace that another experiment holds, and it names the first one."""
_TRACE_ID = re.compile(r"\btr-([0-9a-f]{32})\b")

_LATER = frozenset({408, 429, 502, 503, 504})
_ISOLATE = frozenset({400, 413, 422, 500})
_WRONG_SERVER = frozenset({405, 407})
_PASSING = re.compile(
    r"QueuePool|UniqueViolation|UNIQUE constraint failed|Duplicate entry|IntegrityError"
)
"""400s that are the database's, under load, not the spans'."""
_DATA = re.compile(
    r"DataError|RightTruncation|OutOfRange|Cardinality|NotNull|NOT NULL|Check|CHECK|[Tt]oo long"
)
"""What the database says of values that it will never take, whatever else it says."""
_STATEMENT = re.compile(r"\s*\[(?:SQL|parameters):.*", re.DOTALL)

UVICORN_ADVICE = (
    "check the path in exporters.mlflow.endpoint (it must be the server's address with its "
    "--static-prefix, if it has one); an MLflow that was started with --gunicorn-opts or "
    "--waitress-opts has no /v1/traces: start it without them, so that it runs on uvicorn; nor has "
    "one older than 3.6: use 3.17 or later"
)
HOSTS_ADVICE = (
    "start MLflow with --allowed-hosts naming the host and port of exporters.mlflow.endpoint "
    "(or set MLFLOW_SERVER_ALLOWED_HOSTS), for example --allowed-hosts {host}"
)
STORE_ADVICE = (
    "MLflow's file store takes no spans: start it with a database, for example "
    "mlflow server --backend-store-uri sqlite:///mlflow.db"
)
CREDENTIALS_ADVICE = (
    "set exporters.mlflow.auth: username and password for MLflow's basic authentication, token "
    "or token_file for a proxy, an OIDC plugin or Databricks"
)
PERMISSION_ADVICE = (
    "give the gateway's user the right to write to this experiment (EDIT in MLflow), or create "
    "the experiment: MLflow also answers so where it does not exist"
)
WORKSPACES_ADVICE = (
    "remove workspace from exporters.mlflow, or start MLflow with --enable-workspaces"
)
MISSING_ADVICE = (
    "create the experiment, or correct where exporters.mlflow.experiment or the sender points"
)
_OTHER_STATUS_ADVICE = (
    "check exporters.mlflow.endpoint and the proxy in between: this is no answer of an MLflow "
    "server"
)


def code_of(answer: Answer) -> str:
    """Return MLflow's error code, such as ``RESOURCE_DOES_NOT_EXIST``; empty where it has none."""
    document = document_of(answer)
    code = document.get("error_code")
    return code if isinstance(code, str) else ""


def document_of(answer: Answer) -> dict[str, object]:
    """Return the JSON object in an answer; empty where there is none."""
    try:
        document = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def describe(answer: Answer, address: str) -> str:
    """Return an answer in one line, without the data that databases repeat in their errors."""
    text = error_text(answer.body, answer.headers.get("Content-Type", ""))
    text = _STATEMENT.sub("", text)
    return f"{address}: HTTP {answer.status}" + (f": {text}" if text else "")


def foreign_trace(answer: Answer) -> bytes | None:
    """Return the id of the trace that MLflow has in another experiment, ``b""`` if unnamed."""
    if answer.status != 400:
        return None
    text = answer.body.decode(errors="replace")
    if _FOREIGN.search(text) is None:
        return None
    named = _TRACE_ID.search(text)
    return bytes.fromhex(named[1]) if named else b""


def is_missing(answer: Answer) -> bool:
    """
    Return whether an experiment or workspace does not exist, as opposed to a wrong path.

    MLflow says so in JSON; a path that it does not know gets a page, or FastAPI's own words.
    """
    if answer.status != 404:
        return False
    document = document_of(answer)
    return bool(document) and document != {"detail": "Not Found"}


def is_locked(answer: Answer) -> bool:
    """Return whether a database with a single writer, SQLite, kept this one waiting too long."""
    return answer.status == 503 and b"database is locked" in answer.body


def failure(answer: Answer, *, address: str, host: str, now: float) -> Flow:
    """
    Return what to do after an answer that is no success.

    Args:
        answer: to a batch of spans or to a REST call.
        address: the server, for people.
        host: what we send as ``Host``.
        now: seconds since 1970.

    """
    reason = describe(answer, address)
    if answer.status in _LATER or _is_passing(answer):
        return Retry(reason, retry_after(answer.headers, now))
    parked = _parked(answer, reason, host, now)
    if parked is not None:
        return parked
    if answer.status in _ISOLATE or 400 <= answer.status < 500:
        return Reject(reason, isolate=True)
    return Retry(reason, retry_after(answer.headers, now))


def _is_passing(answer: Answer) -> bool:
    """
    Return whether the database was just busy.

    ``autoflush``, which MLflow's users report too, says nothing by itself: it stands beside
    values that are too long as well. The engine's second try is enough for it.
    """
    if answer.status not in (400, 500):
        return False
    text = _STATEMENT.sub("", answer.body.decode(errors="replace"))
    return bool(_PASSING.search(text)) and not _DATA.search(text)


def _parked(answer: Answer, reason: str, host: str, now: float) -> Retry | None:
    """Return why a person has to do something, ``None`` where not."""
    found = _advice(answer, host)
    if found is None:
        return None
    advice, scope = found
    after = retry_after(answer.headers, now)
    return Retry(reason, after, advice=advice, scope=scope)


def _advice(answer: Answer, host: str) -> tuple[str, Literal["destination", "exporter"]] | None:
    status = answer.status
    if status == 401:
        return CREDENTIALS_ADVICE, "exporter"
    if status == 403:
        if b"Invalid Host" in answer.body:
            return HOSTS_ADVICE.format(host=host), "exporter"
        return PERMISSION_ADVICE, "destination"
    if status == 404:
        if is_missing(answer):
            return MISSING_ADVICE, "destination"
        return UVICORN_ADVICE, "exporter"
    if status == 501:
        return STORE_ADVICE, "exporter"
    if code_of(answer) == "FEATURE_DISABLED":
        return WORKSPACES_ADVICE, "destination"
    if 300 <= status < 400:
        target = without_secrets(answer.headers.get("Location", "another address"))
        return f"set exporters.mlflow.endpoint to where the server redirects: {target}", "exporter"
    if status in _WRONG_SERVER:
        return _OTHER_STATUS_ADVICE, "exporter"
    return None
