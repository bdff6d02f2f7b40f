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
from processors.redaction.json_text import decoded_hits
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


MESSAGE = {"role": "user", "n": 1, "content": ADDRESS, "ok": True}


@pytest.mark.parametrize(
    ("document", "asks_for_all"),
    [
        ({"tools": [{"name": "x"}], "messages": [MESSAGE]}, False),
        ({"messages": [MESSAGE, {"name": "x"}]}, False),
        ([MESSAGE | {"name": "x"}], True),
        ([{"name": "x"} | MESSAGE], True),
        ([{"a": {}, "name": "x"} | MESSAGE], True),
        ([MESSAGE | {"a": [], "name": "x"}], True),
        ([{"name": "x", "a {": "y"} | MESSAGE], True),
        ([{"name": "x", "long": "y" * 2000} | MESSAGE], True),
        ([MESSAGE | {"long": "y" * 2000, "name": "x"}], True),
        ([{"name": "x", "a": '{"b": 1, '} | MESSAGE], True),
    ],
)
def test_only_names_beside_a_value_ask_for_all(document: object, asks_for_all: bool) -> None:
    """A name in another object, as of a tool, names no message's content."""
    data = json.dumps(document).encode()

    assert asks_for_all == (hit_members(data, [_hit(data, ADDRESS)]) is None)


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


@given(
    st.lists(st.sampled_from(["a", "é", "한", "\n", '"', "\\", "\t", " x", "n", "u"]), max_size=12),
    st.booleans(),
)
def test_hits_move_to_where_escapes_are_undone(letters: list[str], ascii_only: bool) -> None:
    """Each place in a literal is known in the text that it stands for."""
    encoded = [json.dumps(letter, ensure_ascii=ascii_only)[1:-1].encode() for letter in letters]
    literal = b"".join(encoded)
    starts = [len(b"".join(encoded[:at])) for at in range(len(encoded))]
    hits = [
        Hit(place, len(literal), (1,))
        for start, part in zip(starts, encoded, strict=True)
        for place in range(start, start + len(part))
    ]

    moved = decoded_hits(literal, hits)

    assert moved is not None
    for hit, new in zip(hits, moved, strict=True):
        letter = max(at for at, start in enumerate(starts) if start <= hit.start)
        before = len("".join(letters[:letter]).encode())
        inside = hit.start - starts[letter] if letters[letter] == " x" else 0
        assert (before + inside, (1,)) == (new.start, new.ranks)
        assert new.end >= len("".join(letters).encode())


@pytest.mark.parametrize("hidden", ["\\u0041", "\\/", "\\ud83d\\ude00"])
def test_hidden_letters_are_searched_anew(hidden: str) -> None:
    """Where an escape stands for a rule's letter, a hit in the literal does not name the rule."""
    assert decoded_hits(hidden.encode() + b" hit", [Hit(7, 10, (1,))]) is None


def test_finding_behind_escapes() -> None:
    """What stands behind and between escapes of a string is found, and the rest stays."""
    text = "naïve “q”\n\t\\ " + CARD + "\n" + ADDRESS + "\n한국"
    document = json.dumps({"role": "user", "content": text})

    (span,) = WITH.process(batch({"input": document}))

    assert (
        json.dumps(
            {"role": "user", "content": text.replace(CARD, "[CARD]").replace(ADDRESS, "[EMAIL]")}
        )
        == span.attributes["input"]
    )


def test_document_without_a_hit_stays_beside_one() -> None:
    """Of documents in a text only those are read that are hit."""
    text = f'see {{"a": "x", "n": [1, 2]}} and {{"a": "{ADDRESS}"}} or {{"password": "hunter2!"}}'

    (span,) = WITH.process(batch({"input": text}))

    assert (
        'see {"a": "x", "n": [1, 2]} and {"a": "[EMAIL]"} or {"password": "[PASSWORD]"}'
        == span.attributes["input"]
    )
