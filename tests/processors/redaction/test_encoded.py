"""Texts are replaced in encoded attributes as if these were decoded and encoded again."""

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from gateway.batch import Batch
from gateway.otlp.values import Value
from gateway.testing import batch, processor
from processors.redaction import Redaction
from processors.redaction.encoded import text_of, with_text

SIZES = (0, 1, 117, 127, 128, 300, 16_383, 16_384, 70_000)


def _text(key: str, text: str) -> KeyValue:
    made = KeyValue(key=key)
    made.value.string_value = text
    return made


@pytest.mark.parametrize("size", SIZES)
def test_text_is_found_and_replaced(size: int) -> None:
    """Whatever the sizes before and after, the new attribute holds the key and the new text."""
    attribute = _text("input.value", "x" * 200).SerializeToString()
    text = text_of(attribute)
    assert text is not None

    new = with_text(attribute, text.value_at, b"y" * size)

    assert b"x" * 200 == attribute[text.text_at :]
    assert _text("input.value", "y" * size) == KeyValue.FromString(new)
    assert text_of(new) is not None


@pytest.mark.parametrize(
    "attribute",
    [
        KeyValue(key="n", value=AnyValue(int_value=3)).SerializeToString(),
        KeyValue(key="a", value=AnyValue(array_value=ArrayValue())).SerializeToString(),
        KeyValue(key="none").SerializeToString(),
        _text("k" * 128, "x").SerializeToString(),
        _text("k", "x").SerializeToString() + _text("k", "y").SerializeToString(),
        _text("k", "x").SerializeToString() + b"\x1a\x01x",
        b"\x0a\x01k\x12\x06\x0a\x01x\x0a\x01y",
        b"\x0a\x01\xff\x12\x03\x0a\x01x",
        b"\x12\x03\x0a\x01x\x0a\x01k",
        b"",
    ],
    ids=[
        *("number", "array", "no value", "long key", "twice", "unknown field", "two texts"),
        *("no UTF-8", "value first", "empty"),
    ],
)
def test_other_attributes_are_no_texts(attribute: bytes) -> None:
    """What is no text, or encoded as nobody does it, is left to protobuf."""
    assert text_of(attribute) is None


def test_bytes_and_message_of_a_span_say_the_same() -> None:
    """After redaction a span's message holds what its bytes hold, and other spans keep theirs."""
    address = "ada@" + "example.org"
    clean: dict[str, Value] = {"a": "x"}
    mixed: dict[str, Value] = {"a": "x" * 300, "b": address, "c": 3, "d": f"to {address} " * 20}
    data = batch(clean, mixed, clean).encode()
    redaction = processor(Redaction)

    for _ in range(3):  # keys not seen before, and attributes that are remembered
        out = redaction.process(Batch(data))

        assert out.peek == Batch(out.encode()).peek
        assert {**mixed, "b": "[EMAIL]", "d": "to [EMAIL] " * 20} == dict(out.spans[1].attributes)
        assert Batch(data).entries()[0] == out.entries()[0]
