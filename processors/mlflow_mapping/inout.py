"""
What went in and what came out, from the best source that a span has.

A call of a model becomes a conversation in OpenAI's shape, which MLflow renders and of which it
shows the last turn in its lists. Everything else stays as it was written.
"""

from processors.mlflow_mapping.calls import answer, conversation, prompts, ready
from processors.mlflow_mapping.content import Content, turn
from processors.mlflow_mapping.events import Told
from processors.mlflow_mapping.keys import MODEL_CALLS
from processors.mlflow_mapping.plain_values import NEVER_CHAT, plain_value
from processors.mlflow_mapping.plan import Reading
from processors.mlflow_mapping.ready import is_ready_answer, is_ready_request
from processors.mlflow_mapping.steps import (
    closing,
    fields,
    found,
    opening,
    searched,
    told_content,
    tool_output,
)


def read_inputs(reading: Reading, told: Told, kind: str) -> Content | None:
    """Return what went in, or ``None`` where the span does not say."""
    if kind in MODEL_CALLS:
        return (
            ready(reading, "inputs", is_ready_request)
            or conversation(reading, told)
            or prompts(reading, kind)
            or plain_value(reading, "inputs", kind)
            or fields(reading)
        )
    return (
        searched(reading, kind)
        or plain_value(reading, "inputs", kind)
        or opening(reading, told, kind)
        or plain_value(reading, "input_messages", kind)
        or fields(reading)
    )


def read_outputs(reading: Reading, told: Told, kind: str) -> Content | None:
    """Return what came out, or ``None`` where the span does not say."""
    if kind in MODEL_CALLS:
        return (
            ready(reading, "outputs", is_ready_answer)
            or answer(reading, told)
            or plain_value(reading, "outputs", kind)
        )
    return (
        found(reading, told, kind)
        or plain_value(reading, "outputs", kind)
        or tool_output(told)
        or (told_content(told.answers) if kind == "TOOL" else answer(reading, told))
        or closing(reading)
        or plain_value(reading, "output_messages", kind)
    )


def beside_chat(
    inputs: Content | None, outputs: Content | None, kind: str
) -> tuple[Content | None, Content | None]:
    """Return both as a conversation where one is and the other is plain text."""
    if inputs is None or outputs is None or inputs.chat == outputs.chat or kind in NEVER_CHAT:
        return inputs, outputs
    if inputs.chat and _is_plain(outputs.text):
        return inputs, turn(str(outputs.text), "outputs")
    if outputs.chat and kind in MODEL_CALLS and _is_plain(inputs.text):
        return turn(str(inputs.text), "inputs"), outputs
    return inputs, outputs


def _is_plain(text: str | bytes) -> bool:
    return isinstance(text, str) and text[:1] not in ("{", "[")
