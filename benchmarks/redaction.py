"""
Measure redaction: precision and recall by type, time on clean and on dense text.

Run it with ``make bench-redaction`` or ``python -m benchmarks.redaction``. Times are process CPU
time, the best of several runs.
"""

import json
import time
from collections import Counter
from collections.abc import Callable

from gateway.batch import Batch
from gateway.bench.payload import templates
from gateway.testing import batch, processor
from processors.redaction import Redaction
from processors.redaction.catalog import GROUPS
from tests.processors.redaction.clean import negatives
from tests.processors.redaction.corpus import Item, positives
from tests.processors.redaction.phrasings import clean, found
from tests.processors.redaction.reading import readable

SEEDS = 5
RUNS = 7


def _redacted(redaction: Redaction, item: Item) -> tuple[Batch, set[str]]:
    received = batch({item.key: item.value})
    kinds = {finding.type for finding in redaction.findings(received)}
    return redaction.process(received), kinds


def accuracy(redaction: Redaction) -> None:
    """Print recall (the value is gone) and precision (the type is named where it stands)."""
    total: Counter[str] = Counter()
    gone: Counter[str] = Counter()
    named: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    untouched = clean = 0
    for seed in range(SEEDS):
        for item in positives(seed):
            out, kinds = _redacted(redaction, item)
            after = next(iter(out)).attributes
            total[item.type] += 1
            gone[item.type] += item.hidden not in readable(dict(after))
            named[item.type] += item.type in kinds
            wrong.update(kinds - {item.type})
        for item in negatives(seed + 1000):
            _, kinds = _redacted(redaction, item)
            clean += 1
            untouched += not kinds
            wrong.update(kinds)
    print(f"{'type':20} {'items':>6} {'recall':>7} {'named':>7} {'precision':>10}")
    for kind in sorted(total):
        precision = named[kind] / max(1, named[kind] + wrong[kind])
        print(
            f"{kind:20} {total[kind]:6} {gone[kind] / total[kind]:7.3f} "
            f"{named[kind] / total[kind]:7.3f} {precision:10.3f}"
        )
    for group, kinds_of in GROUPS.items():
        count = sum(total[kind] for kind in kinds_of)
        print(f"{group:20} {count:6} {sum(gone[kind] for kind in kinds_of) / count:7.3f}")
    print(f"left alone           {clean:6} {untouched / clean:7.3f}")


def phrasings(redaction: Redaction) -> None:
    """Print recall by type and language on texts by people who did not know the rules."""
    total: Counter[str] = Counter()
    gone: Counter[str] = Counter()
    for each in found():
        (span,) = redaction.process(batch({"input.value": each.text}))
        hidden = each.hidden not in readable(span.attributes["input.value"])
        for group in (each.type, each.language):
            total[group] += 1
            gone[group] += hidden
    print("texts as people write them:")
    for group in sorted(total):
        print(f"{group:20} {total[group]:6} {gone[group] / total[group]:7.3f}")
    texts = [text for _, text in clean()]
    untouched = sum(not redaction.findings(batch({"input.value": text})) for text in texts)
    print(f"left alone           {len(texts):6} {untouched / len(texts):7.3f}")


def _best(step: Callable[[], None]) -> float:
    step()
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        step()
        times.append(time.process_time() - started)
    return min(times)


def _process(redaction: Redaction, bodies: list[bytes]) -> Callable[[], None]:
    def step() -> None:
        for body in bodies:
            redaction.process(Batch(body))

    return step


_FILLER = (
    " The clerk compares two ledgers and asks which tariff applies to mixed cargo, since the "
    "answer depends on weight, origin and season.\n"
)


def _dense(filler: str) -> bytes:
    """Return spans with 4 KB of prose each, a finding in every sentence between fillers."""
    texts = [
        item.value
        for seed in (21, 22)
        for item in positives(seed)
        if isinstance(item.value, str) and item.form == "prose"
    ]
    joined = filler.join(texts)
    parts = [joined[at : at + 4096] for at in range(0, len(joined) - 4095, 4096)]
    return batch(*({"input.value": part} for part in parts)).encode()


def _json_dense() -> bytes:
    """Return spans of JSON messages, each of which holds a finding."""
    texts = [item.value for item in positives(12) if isinstance(item.value, str)]
    spans = [
        {
            "input.value": json.dumps(
                [{"role": "user", "content": text} for text in texts[at : at + 30]]
            )
        }
        for at in range(0, 600, 30)
    ]
    return batch(*spans).encode()


def speed(redaction: Redaction) -> None:
    """Print what clean spans and dense texts cost."""
    for kind in ("llm", "plain"):
        bodies = [template.fresh() for template in templates(kind, 100)]
        took, size = _best(_process(redaction, bodies)), sum(map(len, bodies))
        spans = 100 * len(bodies)
        print(f"{kind} spans, {size / spans / 1024:.1f} KB: {took / spans * 1e6:.1f} us a span")
    dense = {"prose": _dense(_FILLER), "findings only": _dense("\n"), "JSON": _json_dense()}
    for name, body in dense.items():
        took = _best(_process(redaction, [body])) / len(body) * 1024 * 1e6
        count = len(redaction.findings(Batch(body))) / len(body) * 1024
        print(f"dense {name}, {count:.1f} findings a KB: {took:.0f} us a KB")


def main() -> None:
    """Print all figures."""
    redaction = processor(Redaction)
    accuracy(redaction)
    phrasings(redaction)
    speed(redaction)


if __name__ == "__main__":
    main()
