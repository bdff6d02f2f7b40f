"""
What went in and what came out, from the best source that a span has.

A call of a model becomes a conversation in OpenAI's shape, which MLflow renders and of which it
shows the last turn in its lists. Everything else stays as it was written.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from processors.mlflow_mapping.calls import answer, conversation, one_reply, prompts, ready
from processors.mlflow_mapping.content import Content, turn
from processors.mlflow_mapping.events import Told
from processors.mlflow_mapping.keys import INPUTS, MODEL_CALLS, OUTPUTS
from processors.mlflow_mapping.plain_values import NEVER_CHAT, one_value
from processors.mlflow_mapping.plan import Layout, Reading
from processors.mlflow_mapping.ready import is_ready_answer, is_ready_request
from processors.mlflow_mapping.steps import (
    closing,
    fields,
    found,
    opening,
    replied,
    searched,
    told_input,
    tool_output,
)

_Read = Callable[[Reading, Told, str], Content | None]
_Reads = Sequence[_Read]


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

    def promising(self, layout: Layout, told: Told) -> _Reads:
        """Return those that may find something in spans with certain keys."""
        if not told.is_empty:
            return self._all
        return [read for needs, read in self._ways if not layout.hits.keys().isdisjoint(needs)]


def _plain(concept: str) -> tuple[Collection[str], _Read]:
    def read(reading: Reading, _told: Told, kind: str) -> Content | None:
        for hit in reading.get(concept):
            content = one_value(reading, hit, concept, kind)
            if content is not None:
                return content
        return None

    return (concept,), read


_ASKED: Final = ("input_groups", "input_messages")
_ANSWERED: Final = ("output_groups", "output_messages", "reply", "input_messages")

_REQUEST: Final = _Ways(
    (("inputs",), lambda reading, _told, _kind: ready(reading, "inputs", is_ready_request)),
    (_ASKED, lambda reading, told, _kind: conversation(reading, told)),
    (_ASKED, lambda reading, _told, kind: prompts(reading, kind)),
    _plain("inputs"),
    (("input_fields",), lambda reading, _told, _kind: fields(reading)),
)
_REPLY: Final = _Ways(
    (("outputs",), lambda reading, _told, _kind: ready(reading, "outputs", is_ready_answer)),
    (("output_groups",), lambda reading, _told, _kind: one_reply(reading)),
    (_ANSWERED, lambda reading, told, _kind: answer(reading, told)),
    _plain("outputs"),
)
_INPUTS: Final = _Ways(
    (
        ("input_fields", "input_documents", "texts", *_ASKED),
        lambda reading, _told, kind: searched(reading, kind),
    ),
    _plain("inputs"),
    (_ASKED, opening),
    _plain("input_messages"),
    (("input_fields",), lambda reading, _told, _kind: fields(reading)),
    ((), lambda _reading, told, _kind: told_input(told)),
)
_OUTPUTS: Final = _Ways(
    (("texts", "vectors", "documents", "document_lists"), found),
    _plain("outputs"),
    ((), lambda _reading, told, _kind: tool_output(told)),
    (_ANSWERED, replied),
    (("input_messages",), lambda reading, _told, _kind: closing(reading)),
    _plain("output_messages"),
)


def read_content(reading: Reading, told: Told, kind: str) -> tuple[Content | None, Content | None]:
    """Return what went in and what came out, ``None`` where the span does not say."""
    layout = reading.layout
    is_call = kind in MODEL_CALLS
    ways = layout.memo.get(is_call) if told.is_empty else None
    if ways is None:
        ways = _ways(layout, told, is_call=is_call)
        if told.is_empty:
            layout.memo[is_call] = ways
    asks, answers = ways
    inputs = outputs = None
    for read in asks:
        inputs = read(reading, told, kind)
        if inputs is not None:
            break
    for read in answers:
        outputs = read(reading, told, kind)
        if outputs is not None:
            break
    if inputs is not None and outputs is not None and inputs.chat != outputs.chat:
        return _beside_chat(inputs, outputs, kind)
    return inputs, outputs


def _ways(layout: Layout, told: Told, *, is_call: bool) -> tuple[_Reads, _Reads]:
    """Return the ways to the inputs and the outputs of spans with certain keys."""
    asks, answers = (_REQUEST, _REPLY) if is_call else (_INPUTS, _OUTPUTS)
    return (
        () if INPUTS in layout.keys else asks.promising(layout, told),
        () if OUTPUTS in layout.keys else answers.promising(layout, told),
    )


def _beside_chat(inputs: Content, outputs: Content, kind: str) -> tuple[Content, Content]:
    """Return both as a conversation where one is and the other is plain text."""
    if kind in NEVER_CHAT:
        return inputs, outputs
    if inputs.chat and (words := outputs.words()):
        return inputs, turn(words, "outputs")
    if outputs.chat and kind in MODEL_CALLS and (words := inputs.words()):
        return turn(words, "inputs"), outputs
    return inputs, outputs
