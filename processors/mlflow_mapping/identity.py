"""Who answered, who asked, and what the trace is called and tagged."""

import functools
import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final

from gateway.otlp import values
from gateway.plugin import Span
from processors.mlflow_mapping.globs import Globs
from processors.mlflow_mapping.keys import TAG, TRACE_NAME
from processors.mlflow_mapping.plan import Hit, Reading
from processors.mlflow_mapping.providers import provider_name
from processors.mlflow_mapping.texts import dump, parse, string, unquoted

MAX_ID: Final = 250
"""Longest session that MLflow takes; the whole request fails with a longer one."""

MAX_TAG: Final = 4000
MAX_TAGS: Final = 50

_SESSION_NAMES: Final = ("session_id", "thread_id", "conversation_id", "sessionId", "threadId",
                  "conversationId", "session")  # fmt: skip
_USER_NAMES: Final = ("user_id", "userId", "user")
_WHO: Final = frozenset({*_SESSION_NAMES, *_USER_NAMES, "tags", "chat_id", "chatId"})
_CALL: Final = frozenset({"_type", "model", "model_name", "stream", "stop", "runId", "run_id"})
"""Parameters of calls, which LangSmith writes as metadata, and ids of single runs."""
_NOISE: Final = ("ls_", "lc_", "langgraph_", "langsmith_", "langchain_", "checkpoint_", "__pregel",
          "langfuse_", "revision_id", "LANGSMITH_", "LANGCHAIN_", "run_attempt")  # fmt: skip
"""Beginnings of metadata that frameworks add for themselves."""
_TAG_KEY: Final = re.compile(r"[\w./ -]{1,250}")


def find_text(reading: Reading, concept: str) -> str | None:
    """Return the first text that tells a concept; numbers are taken as text."""
    for hit in reading.get(concept):
        text = unquoted(reading.text(hit))
        if text:
            return text
        value = reading.value(hit)
        if value.HasField("int_value"):
            return str(value.int_value)
    return None


def find_model(reading: Reading) -> str | None:
    """Return the model's name as the span has it."""
    model = find_text(reading, "model") or _behind(reading)[1]
    return model[:MAX_ID] if model else None


def _behind(reading: Reading) -> tuple[str, str]:
    """Return the provider and the model that stand behind what says that a model follows."""
    for hit in reading.get("model_behind"):
        text = unquoted(reading.text(hit))
        if text.startswith(hit.detail):
            provider, _, model = text.removeprefix(hit.detail).rpartition("/")
            return provider, model
    return "", ""


def find_provider(reading: Reading) -> str | None:
    """Return the provider's name in MLflow's spelling; frameworks are passed over."""
    for hit in reading.get("provider"):
        name = provider_name(reading.text(hit))
        if name:
            return name
    return provider_name(_behind(reading)[0])


def find_session(reading: Reading) -> str | None:
    """Return the session, also from metadata."""
    return find_text(reading, "session") or _from_metadata(reading, _SESSION_NAMES)


def find_user(reading: Reading) -> str | None:
    """Return the user, also from metadata."""
    return find_text(reading, "user") or _from_metadata(reading, _USER_NAMES)


def _from_metadata(reading: Reading, names: tuple[str, ...]) -> str | None:
    for hit in reading.get("metadata"):
        held = _metadata(reading, hit)
        for name in names:
            if isinstance(held.get(name), str | int) and held[name]:
                return str(held[name])
    return None


def _metadata(reading: Reading, hit: Hit) -> dict[Any, Any]:
    """Return an object; the spans of an agent have the same ones again and again."""
    text = reading.text(hit)
    held = _parsed(text) if 0 < len(text) <= _LONGEST_METADATA else reading.held(hit)
    return held if isinstance(held, dict) else {}


_LONGEST_METADATA: Final = 4000
_parsed: Final = functools.lru_cache(maxsize=512)(parse)


def short_id(text: str) -> str:
    """Return an id that MLflow takes: a long one keeps its beginning and gains a digest."""
    if len(text) <= MAX_ID:
        return text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    return f"{text[: MAX_ID - 17]}~{digest}"


def trace_name(name: str) -> str:
    """Return the name of a trace that MLflow takes."""
    return name[:MAX_ID].replace("\0", "\ufffd")


def find_tags(reading: Reading, span: Span, unwanted: Globs) -> Iterator[tuple[str, str]]:
    """Yield the trace's tags, the trace name first and always; for root spans alone."""
    if TRACE_NAME not in reading.keys:
        name = find_text(reading, "trace_name") or span.name
        if name:
            yield TRACE_NAME, trace_name(name)
    if not reading.layout.is_tagged:
        return
    seen: set[str] = set()
    for key, value in _tags(reading):
        full = TAG + key
        if full in reading.keys or key in seen or len(seen) == MAX_TAGS:
            continue
        if unwanted.dropped(key) or key.startswith("mlflow."):
            continue
        if value and len(key) <= MAX_ID and _is_tag_key(key):
            seen.add(key)
            yield full, value[:MAX_TAG]


@functools.lru_cache(maxsize=1024)
def _is_tag_key(key: str) -> bool:
    return _TAG_KEY.fullmatch(key) is not None


def _tags(reading: Reading) -> Iterator[tuple[str, str]]:
    for hit in reading.get("tag_fields"):
        yield hit.detail, unquoted(reading.text(hit))
    labels: list[str] = []
    for hit in reading.get("tags"):
        held = reading.held(hit)
        items = held.split(",") if isinstance(held, str) else held
        for item in items if isinstance(items, list) else ():
            label = item.strip() if isinstance(item, str) else dump(item)
            if label and label not in labels:
                labels.append(label)
    if labels:
        yield "tags", ", ".join(labels)
    for hit in reading.get("metadata_prefixes"):
        if _is_telling(hit.detail):
            value = reading.value(hit)
            yield hit.detail, string(value) or _plain(values.decode(value))
    for hit in reading.get("metadata"):
        text = reading.text(hit)
        is_short = 0 < len(text) <= _LONGEST_METADATA
        yield from _tags_in_text(text) if is_short else _tags_in(reading.held(hit))


def _tags_in(held: object) -> list[tuple[str, str]]:
    """Return the tags that metadata holds."""
    return [
        (key, _plain(value))
        for key, value in (held.items() if isinstance(held, dict) else ())
        if isinstance(key, str) and _is_telling(key)
    ]


@functools.lru_cache(maxsize=512)
def _tags_in_text(text: str) -> list[tuple[str, str]]:
    """Return the same of metadata in JSON; the traces of an agent have the same ones."""
    return _tags_in(parse(text))


def _is_telling(key: str) -> bool:
    return key not in _WHO and key not in _CALL and not key.startswith(_NOISE)


def _plain(value: Any) -> str:
    """Return a text, number or flag as text; lists and objects are no tags."""
    if isinstance(value, str):
        return value
    return dump(value) if isinstance(value, bool | int | float) else ""
