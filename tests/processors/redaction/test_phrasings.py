"""How much is found of what people wrote who did not know the rules."""

import json
from collections import Counter
from collections.abc import Callable

import pytest

from gateway.testing import batch, processor
from processors.redaction import Redaction
from tests.processors.redaction.phrasings import clean, found
from tests.processors.redaction.reading import readable

DRESSES: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: json.dumps([{"role": "user", "content": text}]),
    lambda text: json.dumps({"arguments": json.dumps({"q": text})}, ensure_ascii=False),
    lambda text: json.dumps([{"role": "user", "content": text + " and then"}, "x" * 40])[:-20],
)


@pytest.fixture(scope="module")
def redaction() -> Redaction:
    """One processor for all texts."""
    return processor(Redaction)


def _after(redaction: Redaction, text: str) -> object:
    (span,) = redaction.process(batch({"input.value": text}))
    return span.attributes["input.value"]


@pytest.mark.parametrize("dress", DRESSES)
def test_recall(redaction: Redaction, dress: Callable[[str], str]) -> None:
    """Of all texts 95 in 100 lose their finding, of no type and language fewer than 80."""
    total: Counter[str] = Counter()
    gone: Counter[str] = Counter()
    for each in found():
        hidden = each.hidden not in readable(str(_after(redaction, dress(each.text))))
        for group in (each.type, each.language):
            total[group] += 1
            gone[group] += hidden

    assert gone.total() >= 0.95 * total.total()
    assert {} == {group: gone[group] for group in total if gone[group] < 0.8 * total[group]}


def test_clean_texts_stay(redaction: Redaction) -> None:
    """Versions, orders, code and prose about secrets are left as they are."""
    changed = [text for _, text in clean() if text != _after(redaction, text)]

    assert [] == changed
