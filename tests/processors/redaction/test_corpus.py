"""How much of a labelled corpus is found, and how much is left alone."""

from collections import Counter

import pytest

from gateway.otlp.values import Value
from gateway.testing import batch, processor
from processors.redaction import Redaction
from processors.redaction.catalog import GROUPS
from tests.processors.redaction.clean import negatives
from tests.processors.redaction.corpus import Item, positives
from tests.processors.redaction.reading import readable


@pytest.fixture(scope="module")
def redaction() -> Redaction:
    """One processor for all items."""
    return processor(Redaction)


def _after(redaction: Redaction, item: Item) -> dict[str, Value]:
    span = next(iter(redaction.process(batch({item.key: item.value}))))
    return dict(span.attributes)


def test_corpus_is_large_enough() -> None:
    """The corpus holds over 500 items of each sort."""
    assert len(positives()) > 500
    assert len(negatives()) > 500


def test_recall(redaction: Redaction) -> None:
    """Secrets are found in 98 of 100 items, personal data in 95, no type under 80."""
    found: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for item in positives():
        total[item.type] += 1
        found[item.type] += item.hidden not in readable(_after(redaction, item))

    def recall(kinds: tuple[str, ...]) -> float:
        return sum(found[kind] for kind in kinds) / sum(total[kind] for kind in kinds)

    assert recall(GROUPS["secrets"]) >= 0.98
    assert recall(GROUPS["pii"]) >= 0.95
    assert {} == {
        kind: found[kind] / total[kind] for kind in total if found[kind] < 0.8 * total[kind]
    }


def test_nothing_else_is_touched(redaction: Redaction) -> None:
    """No item without a finding changes: ids, digests, vectors, base64, versions, counts."""
    changed = [
        item.form for item in negatives() if {item.key: item.value} != _after(redaction, item)
    ]

    assert [] == changed
