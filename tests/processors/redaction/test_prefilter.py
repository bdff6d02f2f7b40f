"""The prefilter is derived from the rules: with and without it the outcome is the same."""

import json
import random
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batch import Batch
from gateway.testing import batch
from processors.redaction import Redaction, RedactionConfig, regex
from processors.redaction.prefilter import derive_prefilter
from processors.redaction.rules import Rule, relax, united
from processors.redaction.settings import CustomRule, KeysConfig
from tests.processors.redaction.clean import negatives
from tests.processors.redaction.corpus import positives

CUSTOM = (
    CustomRule(name="employee_id", pattern=r"\bEMP-\d{6}\b"),
    CustomRule(name="project", pattern=r"Projekt\s+[A-ZÄÖÜ]\w{3,}"),
    CustomRule(name="loyalty", pattern=r"(?i)lc(?P<number>\d{10})"),
    CustomRule(name="badge", pattern=r"\d{4}", context=("Ausweis", "명찰")),
)
CONFIG = RedactionConfig(custom=CUSTOM, keys=KeysConfig(block=("internal_note", "geheim.*")))
WITH = Redaction(CONFIG)
WITHOUT = Redaction(CONFIG, use_prefilter=False)
WITHOUT._key = WITH._key

SEEDS = [item.value for item in positives(3, rounds=1) if isinstance(item.value, str)]
SEEDS += [
    "LC1234567897",
    "EMP-123456",
    "Projekt\nÜbermut",
    "명찰 1234",
    "internal_note=x",
    "geheim.plan: 7",
]

ENCODERS = (
    str,
    lambda text: json.dumps({"a": text}),
    lambda text: json.dumps({"a": text}, ensure_ascii=False),
    lambda text: json.dumps(json.dumps([{"internalNote": text}])),
    lambda text: json.dumps({"a": json.dumps({"b": text})})[:-5],
    quote,
    lambda text: "é" + text + "한",
    lambda text: "line\n" + text + "\tend",
    lambda text: repr({"k": text}),
)


def _outcomes(data: bytes) -> tuple[bytes, bytes]:
    return WITH.process(Batch(data)).encode(), WITHOUT.process(Batch(data)).encode()


def test_same_outcome_on_the_corpus() -> None:
    """Every labelled item, in another dress, is treated the same with and without it."""
    dice = random.Random(4)
    for item in [*positives(5), *negatives(6)]:
        value = item.value
        if isinstance(value, str):
            value = dice.choice(ENCODERS)(value)
        data = batch(
            {item.key: value, "other": 1}, name=dice.choice(ENCODERS)(item.hidden)
        ).encode()

        one, other = _outcomes(data)

        assert one == other, item


PROSE = (
    *(
        "The clerk compares two ledgers. ",
        "Which tariff applies to mixed cargo?\n",
        "«Ça dépend»; ",
    ),
    *("100 % of it & more, ", "see C:\\temp\\new\\u0041, ", '{"n": [1, 2]} ', "mobile ", "een "),
    *("phone", " account", "\n\n", "\t", "한국어 ", "10.5, ", "key ", "x-", '"', "[", "it's "),
)


@pytest.mark.parametrize("count", [100, pytest.param(1500, marks=pytest.mark.nightly)])
def test_same_outcome_in_long_texts(count: int) -> None:
    """What stands in a long text is found by a look at its neighbourhood alone."""
    dice = random.Random(count)
    for item in dice.choices([*positives(7), *negatives(8)], k=count):
        if not isinstance(item.value, str):
            continue
        text = "".join(
            part
            for inside in (item.value, dice.choice(ENCODERS)(item.value))
            for part in (*dice.choices(PROSE, k=dice.randint(9, 90)), inside, dice.choice(PROSE))
        )
        text += "".join(dice.choices(PROSE, k=60))
        data = batch({item.key: dice.choice(ENCODERS)(text), "other": text}).encode()

        one, other = _outcomes(data)

        assert one == other, item


@settings(max_examples=150, deadline=None)
@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from(SEEDS) | st.text(max_size=30),
            st.lists(st.sampled_from(ENCODERS), max_size=3),
        ),
        min_size=1,
        max_size=4,
    ),
    keys=st.lists(
        st.sampled_from(("a", "password", "phone", "명찰", "geheim.x", "user.id")), min_size=4
    ),
)
def test_same_outcome_on_anything(parts, keys) -> None:  # type: ignore[no-untyped-def]  # hypothesis
    """Texts put together at random are treated the same with and without it."""
    attributes = {}
    for (text, encoders), key in zip(parts, keys, strict=False):
        dressed = text
        for encode in encoders:
            dressed = encode(dressed)
        attributes[key] = dressed.encode("utf-8", "replace").decode()

    one, other = _outcomes(batch(attributes).encode())

    assert one == other


def test_same_outcome_where_all_is_escaped_over_and_over() -> None:
    """A number under a telling key is found although many backslashes stand between."""
    text = json.dumps({"a": "\U00010000" * 8 + " 1234"})
    for _ in range(2):
        text = json.dumps({"a": json.dumps({"b": text})})[:-5]

    one, other = _outcomes(batch({"명찰": text}).encode())

    assert one == other
    assert b"[BADGE]" in one


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"\bEMP-\d{6}\b", "EMP-123456"),
        (r"^id \d+$", "id 77"),
        (r"naïve \w+", "naïve plan"),
        (r"(?i)é\d", "É7"),
        (r"[äöü]{2}x", "üüx"),
        (r"a.{1,3}b", "a한글b"),
        (r"[^a-z]{2}z", "한글z"),
        (r"k\s+v", "k\n\tv"),
        (r'"q"', '"q"'),
        (r"a\\b", "a\\b"),
        (r"x/y", "x/y"),
        (r"\p{L}+@", "한@"),
        (r"\p{Greek}\d", "\u03b17"),
        (r"[[:alpha:]]\d", "z7"),
    ],
)
def test_relaxed_pattern_matches_escaped_text(pattern: str, text: str) -> None:
    """What a pattern matches, its relaxed form finds in JSON, in JSON in JSON, beside bytes."""
    assert regex.compile(pattern).search(text.encode()) is not None
    relaxed = regex.compile(relax(pattern), latin1=True)

    for raw in (
        text,
        json.dumps(text),
        json.dumps(text, ensure_ascii=False),
        json.dumps(json.dumps(f"\n{text}")),
        f"\x0a7{text}J",
    ):
        assert relaxed.search(raw.encode()) is not None, raw


def test_clean_batch_keeps_its_bytes() -> None:
    """Where nothing is found the received bytes stay, and nothing is decoded."""
    given_batch = batch({"input.value": json.dumps({"q": "how do ships float?"})})
    data = given_batch.encode()
    received = Batch(data)

    out = WITH.process(received)

    assert out.untouched
    assert data is out.encode()
    assert out._message is None


def test_hits_name_the_rules() -> None:
    """A hit says where the text is to be read, and by which rules; a key's name says by none."""
    rules = [
        Rule("email", r"\b[a-z]+@"),
        Rule("digits", r"\d{4}"),
        Rule("pin", r"\d{4}", context=("PIN",)),
    ]
    prefilter = derive_prefilter(rules, ["secret"])
    assert prefilter is not None

    hits = prefilter.hits(b"write to ada@example.org, PIN: 1234, secret; no PIN")

    assert hits is not None
    assert [(9, (0,)), (26, (2,)), (31, (1,)), (37, ())] == [(hit.start, hit.ranks) for hit in hits]


def test_hits_are_not_listed_where_they_are_many() -> None:
    """A dense text is looked at as a whole."""
    prefilter = derive_prefilter([Rule("digits", r"\d{4}")])
    assert prefilter is not None

    assert prefilter.hits(b"1234 " * 1000) is None
    assert 2 == len(prefilter.hits(b"1234 " * 2) or ())


@pytest.mark.parametrize(
    "text",
    [
        '{"at": "2026-03-14T09:26:03.533929Z", "created": 1795267036672}',
        '{"score": 0.8664339756999316, "logprobs": [-0.30000001192092896,-2.11]}',
        "\n!gen_ai.server.time_to_first_token c.e.orders.OrderService",
        "\n$1b2125cd-77d1-4d0b-8ca9-3783ddeb14ecJ sess-1e4db3a38ab4J",
    ],
    ids=["times", "fractions", "dotted names", "ids"],
)
def test_what_traces_are_full_of_is_no_hit(text: str) -> None:
    """Times, fractions, names with dots and ids ask for no closer look."""
    assert WITH._prefilter is not None

    assert WITH._prefilter.search(text.encode()) is None


@pytest.mark.parametrize("before", ["", "x.", "no.", " ", "(", ":", "1:", "-", "é", "12: "])
def test_number_that_nothing_ties_is_a_hit(before: str) -> None:
    """A card's number is looked at behind all but a digit and a mark."""
    data = batch({"a": f"{before}4111 1111 1111 1111"}).encode()

    one, other = _outcomes(data)

    assert one == other
    assert b"[CARD]" in one


@pytest.mark.parametrize("text", ["foo", "xbar", "baz", "a foo", "abar"])
def test_united_patterns_match_what_each_does(text: str) -> None:
    r"""Where a rule's second choice needs no boundary, what its first needs is not asked of it."""
    patterns = [relax(r"\bfoo|bar"), relax(r"\b(?:baz|qux)"), relax(r"\bother")]

    assert regex.compile(united(patterns), latin1=True).search(text.encode()) is not None


def test_united_patterns_keep_their_boundary() -> None:
    """Within a word none is found that needs one's beginning."""
    patterns = [relax(r"\b(?:baz|qux)"), relax(r"\bother")]

    assert regex.compile(united(patterns), latin1=True).search(b"xbaz another") is None
