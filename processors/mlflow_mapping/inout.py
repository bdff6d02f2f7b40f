"""
What went in and what came out, from the best source that a span has.

A call of a model becomes a conversation in OpenAI's shape, which MLflow renders and of which it
shows the last turn in its lists. Everything else stays as it was written.
"""

from collections.abc import Callable, Collection

from processors.mlflow_mapping.calls import answer, conversation, prompts, ready
from processors.mlflow_mapping.content import Content, turn
from processors.mlflow_mapping.events import Told
from processors.mlflow_mapping.keys import MODEL_CALLS
from processors.mlflow_mapping.plain_values import NEVER_CHAT, plain_value
from processors.mlflow_mapping.plan import Layout, Reading
from processors.mlflow_mapping.ready import is_ready_answer, is_ready_request
from processors.mlflow_mapping.steps import (
    closing,
    fields,
    found,
    opening,
    replied,
    searched,
    tool_output,
)

_Read = Callable[[Reading, Told, str], Content | None]


class _Ways:
    """
    Ways to find what went in or came out, best first.

    Args:
        ways: each with the concepts of which a span's keys must tell one for it to find anything
            without the help of events.

    """

    def __init__(self, *ways: tuple[Collection[str], _Read]) -> None:
        self._ways = ways
        self._all = [read for _, read in ways]

    def find(self, reading: Reading, told: Told, kind: str) -> Content | None:
        """Return what the first of them finds."""
        for read in self._promising(reading.layout) if told.is_empty else self._all:
            content = read(reading, told, kind)
            if content is not None:
                return content
        return None

    def _promising(self, layout: Layout) -> list[_Read]:
        """Return those that may find something in spans with certain keys."""
        found: list[_Read] | None = layout.memo.get(self)
        if found is None:
            found = [read for needs, read in self._ways if not layout.hits.keys().isdisjoint(needs)]
            layout.memo[self] = found
        return found


def _plain(concept: str) -> tuple[Collection[str], _Read]:
    return (concept,), lambda reading, _told, kind: plain_value(reading, concept, kind)


_ASKED = ("input_groups", "input_messages")
_ANSWERED = ("output_groups", "output_messages", "reply", "input_messages")

_REQUEST = _Ways(
    (("inputs",), lambda reading, _told, _kind: ready(reading, "inputs", is_ready_request)),
    (_ASKED, lambda reading, told, _kind: conversation(reading, told)),
    (_ASKED, lambda reading, _told, kind: prompts(reading, kind)),
    _plain("inputs"),
    (("input_fields",), lambda reading, _told, _kind: fields(reading)),
)
_REPLY = _Ways(
    (("outputs",), lambda reading, _told, _kind: ready(reading, "outputs", is_ready_answer)),
    (_ANSWERED, lambda reading, told, _kind: answer(reading, told)),
    _plain("outputs"),
)
_INPUTS = _Ways(
    (
        ("input_fields", "input_documents", "texts", *_ASKED),
        lambda reading, _told, kind: searched(reading, kind),
    ),
    _plain("inputs"),
    (_ASKED, opening),
    _plain("input_messages"),
    (("input_fields",), lambda reading, _told, _kind: fields(reading)),
)
_OUTPUTS = _Ways(
    (("texts", "vectors", "documents", "document_lists"), found),
    _plain("outputs"),
    ((), lambda _reading, told, _kind: tool_output(told)),
    (_ANSWERED, replied),
    (("input_messages",), lambda reading, _told, _kind: closing(reading)),
    _plain("output_messages"),
)


def read_inputs(reading: Reading, told: Told, kind: str) -> Content | None:
    """Return what went in, or ``None`` where the span does not say."""
    return (_REQUEST if kind in MODEL_CALLS else _INPUTS).find(reading, told, kind)


def read_outputs(reading: Reading, told: Told, kind: str) -> Content | None:
    """Return what came out, or ``None`` where the span does not say."""
    return (_REPLY if kind in MODEL_CALLS else _OUTPUTS).find(reading, told, kind)


def beside_chat(inputs: Content, outputs: Content, kind: str) -> tuple[Content, Content]:
    """Return both as a conversation where one is and the other is plain text."""
    if kind in NEVER_CHAT:
        return inputs, outputs
    if inputs.chat and _is_plain(outputs.text):
        return inputs, turn(str(outputs.text), "outputs")
    if outputs.chat and kind in MODEL_CALLS and _is_plain(inputs.text):
        return turn(str(inputs.text), "inputs"), outputs
    return inputs, outputs


def _is_plain(text: str | bytes) -> bool:
    return isinstance(text, str) and text[:1] not in ("{", "[")
