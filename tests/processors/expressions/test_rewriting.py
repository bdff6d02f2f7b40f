"""What rewriting promises: the same meaning as the library gives the user's own text."""

from collections.abc import Callable
from functools import partial
from typing import Any

import cel
from hypothesis import given
from hypothesis import strategies as st

from gateway.plugin import BatchContext
from gateway.testing import batch
from processors.expressions import EvaluationError, Expression, Subject

ATTRIBUTES: dict[str, Any] = {
    "n": 5,
    "share": 0.5,
    "flag": True,
    "http.route": "/health",
    'quo"te': "a'b",
    "span.name": "trap",
    "list": [1, "a"],
    "map": {"k": {"deep": 1}},
}
RESOURCE = {"service.name": "shop", "in": "x"}

NAMES = {
    'span.attributes["n"]': 'all["span.attributes"]["n"]',
    'attributes [ "share" ]': 'all["span.attributes"]["share"]',
    "span.attributes.flag": 'all["span.attributes"]["flag"]',
    'attributes["http.route"]': 'all["span.attributes"]["http.route"]',
    "attributes['quo\"te']": "all['span.attributes']['quo\"te']",
    'span.attributes["span.name"]': 'all["span.attributes"]["span.name"]',
    'span.attributes[r"list"]': 'all["span.attributes"]["list"]',
    'attributes["list"][0]': 'all["span.attributes"]["list"][0]',
    'attributes["map"].k.deep': 'all["span.attributes"]["map"].k.deep',
    'resource.attributes["in"]': 'all["resource.attributes"]["in"]',
    '("n" in span.attributes)': '("n" in all["span.attributes"])',
    '("zz" in attributes)': '("zz" in all["span.attributes"])',
    "has(span.attributes.zz)": 'has(all["span.attributes"].zz)',
    "size(resource.attributes)": 'size(all["resource.attributes"])',
    "span.name": 'all["span.name"]',
    "name": 'all["span.name"]',
    "tenant": 'all["tenant"]',
}
_NAME = ("name", NAMES["name"])
Pair = tuple[str, str]
LITERALS = [
    *("1", "2.5", "1e-1", "0x1F", ".5", "true", "null", '"span.name"', "'a\"b'", r'r"\d"'),
    *('"\\n"', '"""a "quoted" name"""', "'it is in attributes'", "[1, 'a']", '{"name": 1}'),
]


def _grow(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "&&", "||", "+", "-", "*", " in"])
    return st.one_of(
        st.builds(lambda a, sign, b: _both("({}{} {})", a, (sign, sign), b), inner, signs, inner),
        inner.map(lambda one: _both("!{}", one)),
        inner.map(lambda one: _both("string({}).contains('h')", one)),
        st.builds(lambda a, b, c: _both("({} ? {} : {})", a, b, c), inner, inner, inner),
        inner.map(lambda one: _both("[{}, 1].exists(each, each == {})", one, _NAME)),
    )


def _both(shape: str, *parts: Pair) -> Pair:
    """Put parts together, as users write them and as the library can read them."""
    ours, plain = zip(*parts, strict=True)
    return shape.format(*ours), shape.format(*plain)


expressions = st.recursive(
    st.one_of(
        st.sampled_from(list(NAMES.items())), st.sampled_from([(one, one) for one in LITERALS])
    ),
    _grow,
    max_leaves=6,
)


@given(pair=expressions)
def test_means_what_the_library_says(pair: tuple[str, str]) -> None:
    """Any expression gives the value, or fails, as if the library had been given everything.

    What is refused at once is so for types that do not fit on one of its ways.
    """
    ours, plain = pair
    made = batch(ATTRIBUTES, name="chat", resource=RESOURCE, context=BatchContext(tenant="search"))
    subject = Subject(made.context)
    subject.look_at(made.spans[0])
    everything = {
        "span.attributes": ATTRIBUTES,
        "resource.attributes": RESOURCE,
        "span.name": "chat",
        "tenant": "search",
    }

    try:
        formula = Expression(ours)
    except ValueError as error:
        if "not known" in str(error) or "no function" in str(error):
            raise
        return

    assert _outcome(partial(cel.evaluate, plain, {"all": everything})) == _outcome(
        formula.bind(subject)
    )


def _outcome(evaluate: Callable[[], Any]) -> Any:
    try:
        value = evaluate()
    except (EvaluationError, TypeError, ValueError, ArithmeticError, LookupError, RuntimeError):
        return "failed"
    return type(value), value
