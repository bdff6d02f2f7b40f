"""Where one string of a JSON document is hit, the outcome is as if all of it were read."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batch import Batch
from gateway.testing import batch, processor
from processors.redaction import Redaction
from processors.redaction.json_members import hit_members
from processors.redaction.prefilter import Hit

ADDRESS = "ada@" + "example.org"
CARD = "4111 1111" + " 1111 1111"
HMAC_KEY = "k" * 32
WITH = processor(Redaction, hmac_key=HMAC_KEY)
WITHOUT = Redaction(WITH.config, use_prefilter=False)

KEYS = (
    "a",
    "content",
    "name",
    "key",
    "value",
    "password",
    "user.id",
    "phone",
    "properties",
    ADDRESS,
)
LEAVES = (
    *(ADDRESS, CARD, "hunter2!", "password", "user.id", "phone", "4155552671", 4155552671),
    *(
        ':,"',
        '}",{"a":',
        "\\",
        '\\"',
        ":,",
        "",
        "x",
        "é\n",
        f"to {ADDRESS}:",
        f'"{CARD}"',
        1.5,
        None,
    ),
    *(json.dumps({"password": "hunter2!", "a": ADDRESS}), f"see {ADDRESS} or", [ADDRESS], [1] * 12),
)
DOCUMENTS = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)
STYLES: tuple[dict[str, Any], ...] = (
    {},
    {"separators": (",", ":")},
    {"indent": 1, "ensure_ascii": False},
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), DOCUMENTS, max_size=4), st.sampled_from(STYLES))
def test_outcome_is_that_of_reading_all(document: dict[str, Any], style: dict[str, Any]) -> None:
    """Keys, names of values, pairs, numbers, arrays and quotes in strings change nothing of it."""
    text = json.dumps(document, **style)
    padded = json.dumps({"a": "clean text " * 60, "b": document}, **style)
    data = batch({"input.value": text, "output.value": padded}).encode()

    assert WITHOUT.process(Batch(data)).encode() == WITH.process(Batch(data)).encode()


def _hit(data: bytes, text: str) -> Hit:
    at = data.index(text.encode())
    return Hit(at, at + len(text), (0,))


@pytest.mark.parametrize("style", STYLES)
def test_members_are_named_once(style: dict[str, Any]) -> None:
    """A member's key and bounds are told, however many hits its value holds and quotes it has."""
    value = f'say "{ADDRESS}" \\ or {CARD}'
    data = json.dumps({"x": [1, {"y": {}, "z": value, "w": "-"}]}, **style).encode()

    members = hit_members(data, [_hit(data, ADDRESS), _hit(data, CARD)])

    assert members is not None
    ((key, start, end),) = members
    assert ("z", value) == (key, json.loads(data[start:end]))


@pytest.mark.parametrize(
    ("document", "hit"),
    [
        ({ADDRESS: 1}, ADDRESS),
        ({"a": [ADDRESS]}, ADDRESS),
        ({"a": 4155552671}, "4155552671"),
        ({"name": "password", "value": "x"}, "password"),
        ({"name": "x", "content": ADDRESS}, ADDRESS),
        ([["password", "x"]], "password"),
        ({"a": "x", "b": {}}, "{}"),
        ({'a"': ADDRESS}, ADDRESS),
        (ADDRESS, ADDRESS),
    ],
)
def test_other_hits_ask_for_all(document: object, hit: str) -> None:
    """What is hit elsewhere than in the value of a member may tell about other values."""
    data = json.dumps(document).encode()

    assert hit_members(data, [_hit(data, hit)]) is None
