"""What ready-made attributes promise: the bytes that protobuf would write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp import ready
from gateway.otlp.values import Value, key_value

SIZES = (0, 1, 120, 123, 124, 125, 126, 127, 128, 129, 16_000, 16_374, 16_375, 16_384, 2_100_000)


def written(key: str, value: Value) -> bytes:
    return Span(attributes=[key_value(key, value)]).SerializeToString()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", ["k", "k" * 130, "k" * 17_000])
def test_texts_of_any_size(key: str, size: int) -> None:
    """Lengths of one byte and of several are written as protobuf writes them."""
    assert written(key, "x" * size) == ready.text_attribute(key, "x" * size)


@given(st.text(min_size=1), st.text(), st.floats(allow_nan=False))
def test_what_protobuf_writes(key: str, text: str, number: float) -> None:
    """Texts, also as UTF-8, numbers and flags are encoded as protobuf encodes them."""
    assert written(key, text) == ready.text_attribute(key, text)
    assert written(key, text) == ready.word_attribute(key, text)
    assert written(key, text) == ready.text_attribute(key, text.encode())
    assert written(key, number) == ready.number_attribute(key, number)
    assert written(key, True) == ready.flag_attribute(key)
