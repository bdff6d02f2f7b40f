"""Escapes are undone, and bounds lead back to the raw text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.redaction.escapes import View


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        (rb"a\u0040b", b"a@b"),
        (rb"a\\\\u0040b", b"a@b"),
        (b"a%40b", b"a@b"),
        (b"a&#64;b &commat;", b"a@b @"),
        (rb"a\x40b", b"a@b"),
        (rb"x\n\"y\/", b'x\n"y/'),
        (rb"\ud55c", "한".encode()),
        (b"100% \\q &x", b"100% \\q &x"),
    ],
)
def test_undoes_escapes(raw: bytes, plain: bytes) -> None:
    """JSON's, Python's, URL's and HTML's escapes are understood."""
    assert plain == View(raw).data


@given(st.lists(st.sampled_from([b"a", b"%40", rb"\u0041", b"\\n", b"&#64;", b"bc"]), max_size=12))
def test_bounds_lead_back(parts: list[bytes]) -> None:
    """Each letter of the view leads to the piece of raw text that says it."""
    raw = b"".join(parts)
    view = View(raw)

    pieces = [raw[slice(*view.to_raw(at, at + 1))] for at in range(len(view.data))]

    assert raw == b"".join(pieces)
    if view.data:
        assert (0, len(raw)) == view.to_raw(0, len(view.data))
