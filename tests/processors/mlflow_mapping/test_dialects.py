"""The tables are sound, and name what MLflow knows."""

import pytest

from processors.mlflow_mapping import keys
from processors.mlflow_mapping.dialect import Dialect
from processors.mlflow_mapping.dialects import ALL
from processors.mlflow_mapping.dialects.common import KINDS
from tests.processors.mlflow_mapping.conftest import Map

TYPES = keys.SPAN_TYPES | keys.CUSTOM_TYPES
NAMES = [dialect.name for dialect in ALL]


def test_each_dialect_stands_once() -> None:
    """Names are how people speak of tables."""
    assert sorted(set(NAMES)) == sorted(NAMES)


@pytest.mark.parametrize("dialect", ALL, ids=NAMES)
def test_types_exist(dialect: Dialect) -> None:
    """Each type in a table is MLflow's or one of our few, each kind in lower case."""
    for table in (*dialect.kinds.values(), dialect.span_names, dialect.hints, KINDS):
        assert set(table.values()) <= TYPES
    for table in (*dialect.kinds.values(), dialect.span_names):
        assert [kind for kind in table if kind != kind.lower()] == []


@pytest.mark.parametrize("dialect", ALL, ids=NAMES)
def test_gated_words_are_in_the_table(dialect: Dialect) -> None:
    """A word that only counts beside others is one that the table reads."""
    fields = set(dialect.__struct_fields__) - {"name", "only_with", "plain", "scopes", "exclusive"}
    read = {key for field in fields for key in getattr(dialect, field)}

    assert set(dialect.plain) <= read
    assert bool(dialect.plain) <= bool(dialect.only_with)


@pytest.mark.slow
def test_types_are_those_of_mlflows_translators(mapped: Map) -> None:
    """What MLflow's own tables say a span is, ours say too."""
    from mlflow.tracing.otel import translation  # noqa: PLC0415 - takes seconds

    for translator in translation._TRANSLATORS:
        key = getattr(translator, "SPAN_KIND_ATTRIBUTE_KEY", None)
        table = getattr(translator, "SPAN_KIND_TO_MLFLOW_TYPE", None) or {}
        for kind, expected in table.items() if key else ():
            assert expected == mapped({key: kind})[keys.SPAN_TYPE], (key, kind)


@pytest.mark.slow
def test_our_constants_are_mlflows() -> None:
    """The gateway never imports MLflow, so its names are ours to keep equal."""
    from mlflow.entities import SpanType  # noqa: PLC0415 - takes seconds
    from mlflow.tracing.constant import SpanAttributeKey  # noqa: PLC0415 - the same

    types = {value for name, value in vars(SpanType).items() if name.isupper()}
    assert types == keys.SPAN_TYPES
    assert (
        keys.SPAN_TYPE, keys.INPUTS, keys.OUTPUTS, keys.MESSAGE_FORMAT, keys.CHAT_TOOLS,
        keys.TOKEN_USAGE, keys.COST, keys.MODEL, keys.PROVIDER, keys.SESSION, keys.USER, keys.TAG,
    ) == (
        SpanAttributeKey.SPAN_TYPE, SpanAttributeKey.INPUTS, SpanAttributeKey.OUTPUTS,
        SpanAttributeKey.MESSAGE_FORMAT, SpanAttributeKey.CHAT_TOOLS, SpanAttributeKey.CHAT_USAGE,
        SpanAttributeKey.LLM_COST, SpanAttributeKey.MODEL, SpanAttributeKey.MODEL_PROVIDER,
        SpanAttributeKey.SESSION_ID, SpanAttributeKey.USER_ID, SpanAttributeKey.TRACE_TAG_PREFIX,
    )  # fmt: skip
