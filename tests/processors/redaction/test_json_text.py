"""JSON in strings stays JSON: same shape, same bytes where nothing was found."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.testing import batch, processor
from processors.redaction import Redaction
from tests.processors.redaction.corpus import Maker

REDACTION = processor(Redaction)
MAKE = Maker(9)
FOUND = [
    "password",
    "Authorization",
    MAKE.email(),
    MAKE.card(),
    MAKE.jwt(),
    "415-555-2671",
    "10.1.2.3",
    "password: hunter22",
]

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(FOUND)
)
KEYS = st.text(max_size=8) | st.sampled_from(
    ["password", "token", "authorization", "phone", "a@b.cc", "name", "value", "key"]
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(KEYS, inside, max_size=4)
        | inside.map(json.dumps)
    ),
    max_leaves=20,
)


def _redact(text: str) -> str:
    value = next(iter(REDACTION.process(batch({"v": text})))).attributes["v"]
    assert isinstance(value, str)
    return value


def _shape(value: object) -> object:
    """Return the nesting alone; leaves may change their type where they are replaced."""
    if isinstance(value, dict):
        return [_shape(inside) for inside in value.values()]
    if isinstance(value, list):
        return [_shape(inside) for inside in value]
    return "leaf"


@settings(max_examples=200, deadline=None)
@given(document=DOCUMENTS, ascii_only=st.booleans(), indent=st.sampled_from((None, 2)))
def test_redacted_json_is_json_of_the_same_shape(document, ascii_only, indent) -> None:  # type: ignore[no-untyped-def]  # hypothesis
    """Whatever stands in it, valid JSON stays valid, with as many parts in the same places."""
    text = json.dumps([document], ensure_ascii=ascii_only, indent=indent)
    text = text.encode("utf-8", "replace").decode()

    after = _redact(text)

    assert _shape(json.loads(text)) == _shape(json.loads(after))


@settings(max_examples=200, deadline=None)
@given(document=DOCUMENTS)
def test_redacting_again_changes_nothing(document) -> None:  # type: ignore[no-untyped-def]  # hypothesis
    """A second gateway finds nothing in what a first one has redacted."""
    once = _redact(json.dumps({"d": document}).encode("utf-8", "replace").decode())

    assert once == _redact(once)


def test_a_replaced_value_names_nothing() -> None:
    """What a first gateway put into a name makes no key of it; a bracket of the sender's does."""
    once = _redact(json.dumps({"name": "password: hunter22", "value": 1234}))

    assert once == _redact(once)
    assert '{"environ[API_KEY]":"[API_KEY]"}' == _redact('{"environ[API_KEY]":"abcd1234"}')


def test_everything_else_stays_byte_for_byte() -> None:
    """Numbers, spacing, key order, repeated keys and escapes of clean strings survive."""
    text = (
        '{ "b": 1.10, "a":1e400,"a" : "x\\/y", "m": "ada@example.org", "z": 12345678901234567890 }'
    )

    assert text.replace("ada@example.org", "[EMAIL]") == _redact(text)


def test_both_values_of_a_repeated_key() -> None:
    """A key that stands twice hides neither value."""
    assert '{"m":"[EMAIL]","m":"[EMAIL]"}' == _redact('{"m":"a@b.cc","m":"c@d.ee"}')


def test_nested_documents() -> None:
    """JSON in JSON in JSON is redacted inside, and each level stays valid."""
    inner = json.dumps({"to": "ada@example.org", "n": 1})
    text = json.dumps({"a": json.dumps({"b": inner})})

    after = json.loads(json.loads(json.loads(_redact(text))["a"])["b"])

    assert {"to": "[EMAIL]", "n": 1} == after


def test_too_deep_documents_are_scanned_as_text() -> None:
    """Beyond the depth that is parsed, escapes are undone and findings still go."""
    text = "ada@example.org"
    for _ in range(9):
        text = json.dumps([text])

    after = _redact(text)

    assert "example.org" not in after
    for _ in range(9):
        (after,) = json.loads(after)
    assert "[EMAIL]" == after


def test_keys_that_become_equal_are_numbered() -> None:
    """Two addresses as keys leave two keys."""
    assert {"[EMAIL]": 1, "[EMAIL]_2": 2} == json.loads(_redact('{"a@b.cc": 1, "c@d.ee": 2}'))


def test_truncated_document() -> None:
    """JSON that was cut off is scanned as text with its escapes understood."""
    text = json.dumps({"q": "mail ada@example.org", "password": "hunter22", "x": "y"})[:-6]
    text = text.replace("@", "\\u0040")

    after = _redact(text)

    assert '{"q": "mail [EMAIL]", "password": "[PASSWORD]"' == after[: after.index(', "x')]


def test_documents_inside_prose() -> None:
    """JSON lines and JSON in a sentence stay valid, also where a number is replaced."""
    line = '{"card": 4111111111111111}'

    assert 'data: {"card": "[CARD]"}\n\n{"card": "[CARD]"} ok' == _redact(
        f"data: {line}\n\n{line} ok"
    )


def test_schemas_and_log_probabilities_are_no_secrets() -> None:
    """A tool's parameter called password and a model's token keep their values."""
    text = json.dumps(
        {
            "parameters": {"properties": {"password": {"type": "string", "minLength": 8}}},
            "logprobs": {"content": [{"token": "understanding", "logprob": -0.2}]},
        }
    )

    assert text == _redact(text)


def test_a_parameter_alone_is_no_secret() -> None:
    """What a parameter must be stays, wherever it is told; what it is by default does not."""
    told = '{"password": {"type": "string", "description": "At least 8", "required": true}}'

    assert told == _redact(told)
    assert '{"password": {"type": "[PASSWORD]", "default": "[PASSWORD]"}}' == _redact(
        '{"password": {"type": "string", "default": "hunter22"}}'
    )


def test_spaces_in_a_parameter_cost_no_time() -> None:
    """What looks like a parameter is read once, however many spaces stand in it."""
    spaces = " " * 100_000
    told = f'{{"password": {{"type": "string"{spaces}, "value": "hunter22"}}}}'

    assert told.replace("string", "[PASSWORD]").replace("hunter22", "[PASSWORD]") == _redact(told)


def test_pairs_of_name_and_value() -> None:
    """A list of headers is understood as one."""
    text = '[{"name": "X-Api-Key", "value": "abc"}, {"name": "Accept", "value": "text/html"}]'

    assert text.replace('"abc"', '"[API_KEY]"') == _redact(text)


def test_a_value_before_its_name() -> None:
    """The name tells what the value is, whichever of the two stands first."""
    given_text = '[{"value": "hunter22", "id": 1, "name": "password"}, {"value": "x", "name": "a"}]'

    assert (
        '[{"value": "[PASSWORD]", "id": 1, "name": "password"}, {"value": "x", "name": "a"}]'
        == (_redact(given_text))
    )


def test_a_value_with_a_finding_before_its_name() -> None:
    """Where the value was redacted in part, its name still takes the rest."""
    given_text = '{"value": "ada@' + 'example.org hunter22", "name": "password"}'

    assert '{"value": "[PASSWORD]", "name": "password"}' == _redact(given_text)


def test_pairs_in_arrays() -> None:
    """A list of pairs, as of headers, is read as names and values; a list of names is not."""
    given_text = (
        '{"h": [["x-api-key", "abcd efgh"], ["a", "b"]], "required": ["password", "email"]}'
    )

    assert (
        '{"h": [["x-api-key", "[API_KEY]"], ["a", "b"]], "required": ["password", "email"]}'
        == _redact(given_text)
    )


def test_numbers_under_telling_keys() -> None:
    """A telephone number is one, also without quotes."""
    assert '{"phone": "[PHONE]", "n": 4155552671}' == _redact(
        '{"phone": 4155552671, "n": 4155552671}'
    )
