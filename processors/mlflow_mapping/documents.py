"""Documents that were searched, found or ranked, and texts that were embedded."""

from typing import Any, Final

from gateway.otlp import values
from processors.mlflow_mapping.parts import first
from processors.mlflow_mapping.plan import Reading
from processors.mlflow_mapping.texts import as_text, parse, reparse

Document = dict[str, Any]

_TEXT: Final = ("content", "text", "page_content", "document", "pageContent")
_SIMPLE: Final = frozenset({"content", "score", "id"})
_READ: Final = frozenset({*_TEXT, "metadata", "id", "score"})


def read_document(item: Any) -> Document | None:
    """Return a document as MLflow's retriever view shows it: page_content, metadata, id."""
    if isinstance(item, dict):
        content = item.get("content")
        if isinstance(content, str) and item.keys() <= _SIMPLE:  # the usual document
            score, name = item.get("score"), item.get("id")
            document: Document = {
                "page_content": content,
                "metadata": {} if score is None else {"score": score},
            }
            if name is not None:
                document["id"] = as_text(name)
            return document
        return _read(item)
    held = reparse(item)
    if isinstance(held, dict):
        return _read(held)
    return {"page_content": held, "metadata": {}} if isinstance(held, str) else None


def _read(item: dict[str, Any]) -> Document:
    metadata = reparse(item.get("metadata"))
    held = dict(metadata) if isinstance(metadata, dict) else {}
    if metadata and not isinstance(metadata, dict):
        held["metadata"] = metadata
    for key in ("score", *(key for key in item if key not in _READ)):
        if item.get(key) is not None:
            held.setdefault(key, item[key])
    document: Document = {"page_content": as_text(first(item, *_TEXT) or ""), "metadata": held}
    if item.get("id") is not None:
        document["id"] = as_text(item["id"])
    return document


def read_documents(reading: Reading, concept: str) -> list[Document]:
    """Return documents from flattened keys or from a list under one key."""
    lists: list[Any] = reading.lists(concept) or [reading.held(hit) for hit in reading.get(concept)]
    for held in lists:
        if not isinstance(held, list):
            continue
        documents = [read_document(item) for item in held]
        found = [document for document in documents if document is not None]
        if found:
            return found
    return []


def read_texts(reading: Reading) -> list[Any]:
    """Return the texts that were embedded."""
    for held in reading.lists("texts"):
        texts = [item.get("text") if isinstance(item, dict) else item for item in held]
        found = [text for text in texts if text is not None]
        if found:
            return found
    for hit in reading.get("texts"):
        value = values.decode(reading.value(hit))
        if value and not hit.detail:
            return [_unquoted(text) for text in (value if isinstance(value, list) else [value])]
    return []


def _unquoted(text: Any) -> Any:
    """Return a text without the JSON quotes that Vercel writes around it."""
    if isinstance(text, str) and len(text) > 1 and text[0] == text[-1] == '"':
        held = parse(f"[{text}]")
        return held[0] if held else text
    return text


def read_sizes(reading: Reading) -> dict[str, int] | None:
    """Return how many embeddings there are and their size, never the numbers themselves."""
    count = size = 0
    for hit in reading.get("texts"):
        if hit.detail and hit.detail[-1] == "vector":
            count += 1
            value = reading.value(hit)
            size = len(value.array_value.values) or _length(values.decode(value))
    if not count:
        for hit in reading.get("vectors"):
            count, size = _sizes(reading.held(hit))
            break
    return {"embeddings": count, "dimensions": size} if count else None


def _sizes(held: Any) -> tuple[int, int]:
    if isinstance(held, list) and held and not isinstance(held[0], int | float):
        return len(held), _length(held[0])
    return 1, _length(held)


def _length(vector: Any) -> int:
    vector = reparse(vector)
    return len(vector) if isinstance(vector, list) else 0


def sizes_of(answer: Any) -> dict[str, int] | None:
    """Return the same from an answer of an embeddings service, or from the numbers themselves."""
    data = first(answer, "data", "embeddings") if isinstance(answer, dict) else answer
    if not isinstance(data, list) or not data:
        return None
    if isinstance(data[0], float):
        return {"embeddings": 1, "dimensions": len(data)}
    vector = first(data[0], "embedding", "values") if isinstance(data[0], dict) else data[0]
    if isinstance(vector, list) and vector and isinstance(vector[0], float):
        return {"embeddings": len(data), "dimensions": len(vector)}
    if isinstance(vector, str) and isinstance(answer, dict):  # base64
        return {"embeddings": len(data), "dimensions": 0}
    return None


def documents_of(answer: Any) -> list[Document]:
    """Return the documents in a retriever's answer; an empty list where it holds none."""
    if isinstance(answer, dict):
        answer = first(answer, "documents", "results", "matches", "hits")
    if not isinstance(answer, list) or not all(map(_is_document, answer)):
        return []
    return [document for item in answer if (document := read_document(item))]


def _is_document(item: Any) -> bool:
    return isinstance(item, dict) and any(isinstance(item.get(key), str) for key in _TEXT)
