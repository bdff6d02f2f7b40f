"""What ``probabilistic_sampler`` promises: the same traces everywhere, and the right number."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from gateway.batch import Batch, BatchContext
from gateway.otlp.values import Value, key_value
from gateway.testing import processor
from processors.consistent_sampling import adjusted_count, read_trace_state
from processors.probabilistic_sampler import ProbabilisticSampler, _fnv1a
from tests.processors.watching import watched

HALF = "fefefefefefefefefe80000000000000"  # kept at 50 %, not at 49 %
SURE = "111111111111111111ffffffffffffff"  # kept whatever the share


def one_span(
    trace_id: str = HALF, state: str = "", attributes: Mapping[str, Value] | None = None
) -> Batch:
    """Return a batch of a single span."""
    return many([(bytes.fromhex(trace_id), state, attributes or {})])


def many(spans: Iterable[tuple[bytes, str, Mapping[str, Value]]]) -> Batch:
    """Return a batch as a receiver makes it."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number, (trace_id, state, attributes) in enumerate(spans, 1):
        span = scope.spans.add(
            trace_id=trace_id, span_id=number.to_bytes(8), trace_state=state, name="s"
        )
        span.attributes.extend(key_value(key, value) for key, value in attributes.items())
    return Batch(request.SerializeToString())


def sample(batch: Batch, **settings: Any) -> str | None:
    """Return the trace state with which a single span leaves; ``None`` where it is dropped."""
    kept = list(processor(ProbabilisticSampler, **settings).process(batch))
    return kept[0].peek.trace_state if kept else None


def random_ids(count: int, seed: int = 7) -> list[bytes]:
    """Return trace ids, the same ones for a seed."""
    source = random.Random(seed)
    return [source.randbytes(16) for _ in range(count)]


def kept_ids(ids: Iterable[bytes], **settings: Any) -> list[bytes]:
    """Return the trace ids that are kept of one batch."""
    sent = many((trace_id, "", {}) for trace_id in ids)
    return [span.trace_id for span in processor(ProbabilisticSampler, **settings).process(sent)]


# What the Collector's processor of this name does with the same settings and spans:
# percentage, precision, trace id, arriving trace state, then what leaves in each mode.
VECTORS = [
    (100, 4, HALF, "", "ot=th:0", "ot=th:0"),
    (200, 4, HALF, "", "ot=th:0", "ot=th:0"),
    (0, 4, SURE, "", None, None),
    (50, 4, HALF, "", "ot=th:8", "ot=th:8"),
    (49, 4, HALF, "", None, None),
    (25, 4, "ddddddddddddddddddc0000000000000", "", "ot=th:c", "ot=th:c"),
    (25, 4, "ddddddddddddddddddb0000000000000", "", None, None),
    (1, 14, HALF, "ot=rv:FD70A3D70A3D71", *["ot=rv:FD70A3D70A3D71;th:fd70a3d70a3d71"] * 2),
    (1, 4, HALF, "ot=rv:FD70A3D70A3D71", *["ot=rv:FD70A3D70A3D71;th:fd70a"] * 2),
    (1, 3, HALF, "ot=rv:FD70A3D70A3D71", None, None),
    (1, 14, HALF, "ot=rv:FD70A3D70A3D70", None, None),
    (1, 4, "a0a0a0a0a0a0a0a0a0fe000000000000", "", "ot=th:fd70a", "ot=th:fd70a"),
    (50, 4, HALF, "ot=rv:90000000000000;th:80000000000000", None, "ot=rv:90000000000000;th:8"),
    (25, 4, HALF, "ot=th:8", None, None),
    (25, 4, "f" * 32, "ot=th:8", "ot=th:e", "ot=th:c"),
    (50, 4, HALF, "ot=rv:c0000000000000;th:8", *["ot=rv:c0000000000000;th:" + th for th in "c8"]),
    (40, 3, HALF, "ot=rv:a0000000000000", *["ot=rv:a0000000000000;th:99a"] * 2),
    (40, 6, "a0a0a0a0a0a0a0a0a0d0000000000000", "ot=th:8", "ot=th:cccccd", "ot=th:99999a"),
    (40, 3, "a0a0a0a0a0a0a0a0a0b0000000000000", "ot=th:8", None, "ot=th:99a"),
    (40, 3, "a0a0a0a0a0a0a0a0a080000000000000", "ot=th:8", None, None),
    (100 * 2**-14, 4, SURE, "ot=th:fffc", "ot=th:fffffff", "ot=th:fffc"),
    ((1 - 8e-7) * 100, 10, SURE, "", "ot=th:00000cccccccd", "ot=th:00000cccccccd"),
    (2**-4, 4, SURE, "ot=th:fffffffffffff8", None, "ot=th:fffffffffffff8"),
    (50, 4, HALF, "a=1,b=2", "ot=th:8,a=1,b=2", "ot=th:8,a=1,b=2"),
    (50, 4, HALF, "a=1,ot=x:y,b=2", "ot=th:8;x:y,a=1,b=2", "ot=th:8;x:y,a=1,b=2"),
]


@pytest.mark.parametrize("vector", VECTORS)
def test_decides_and_marks_like_the_collector(vector: tuple[Any, ...]) -> None:
    """Beside a Collector with the same setting, the same spans leave with the same marks."""
    percentage, precision, trace_id, arriving, proportional, equalizing = vector
    expected = {"proportional": proportional, "equalizing": equalizing}
    for mode, leaving in expected.items():
        assert leaving == sample(
            one_span(trace_id, arriving),
            mode=mode,
            sampling_percentage=percentage,
            sampling_precision=precision,
        )


def test_the_default_mode_is_the_specified_one() -> None:
    """Without a mode traces are sampled proportionally; with a hash seed as the Collector does."""
    assert "ot=th:e" == sample(one_span("f" * 32, "ot=th:8"), sampling_percentage=25)
    kept = sample(one_span(SURE), sampling_percentage=100, hash_seed=22)
    assert kept is not None
    assert kept.startswith("ot=rv:")


@pytest.mark.parametrize("mode", ["proportional", "equalizing", "hash_seed"])
@pytest.mark.parametrize(
    ("priority", "percentage", "kept"),
    [
        (0, 100, False),
        (0.0, 100, False),
        ("0", 100, False),
        (2, 0, True),
        (0.5, 0, True),
        ("1", 0, True),
        (-1, 0, False),
        (-1, 100, True),
        ("-0.5", 100, True),
        ("NaN", 0, False),
        ("high", 0, False),
        (True, 0, False),
        (None, 100, True),
    ],
)
def test_the_senders_priority_wins(mode: str, priority: Value, percentage: int, kept: bool) -> None:
    """``sampling.priority`` 0 drops a span and more keeps it, as number or text."""
    sent = one_span(SURE, attributes={"sampling.priority": priority})
    left = sample(sent, mode=mode, sampling_percentage=percentage)
    assert kept == (left is not None)


def test_what_is_kept_by_priority_stands_for_itself() -> None:
    """A span kept for certain is marked so, unless it was sampled before."""
    asks = {"sampling.priority": 1}
    assert "ot=th:0" == sample(one_span(HALF, attributes=asks), sampling_percentage=1)
    assert "ot=th:8" == sample(one_span(HALF, "ot=th:8", asks), sampling_percentage=1)


BROKEN = ["ot=th:-1", "ot=rv:abababababababab", "Vendor=1", "ot=th:8;rv:70000000000000"]


@pytest.mark.parametrize("state", BROKEN)
def test_broken_trace_states_fail_closed(state: str) -> None:
    """What breaks the rules is dropped, unless the settings say to keep it."""
    assert sample(one_span(HALF, state), sampling_percentage=100) is None
    assert sample(one_span(HALF, state), sampling_percentage=10, fail_closed=False) is not None
    assert sample(one_span(HALF, state), sampling_percentage=0, fail_closed=False) is None


@pytest.mark.parametrize("state", ["garbage", "ot=th:c", "ot=rv:80000000000000"])
def test_a_share_that_rounds_to_none_keeps_nothing_undecided(state: str) -> None:
    """Hashes have 14 bits: a smaller share is none, also of what ``fail_closed: false`` keeps."""
    settings = {"mode": "hash_seed", "sampling_percentage": 0.003, "fail_closed": False}

    assert sample(one_span(SURE, state), **settings) is None


def test_a_threshold_that_cannot_be_true_is_not_passed_on() -> None:
    """A span that its own mark says was dropped is kept, if at all, as standing for itself."""
    left = sample(
        one_span(HALF, "ot=rv:40000000000000;th:8"), sampling_percentage=100, fail_closed=False
    )
    assert "ot=rv:40000000000000;th:0" == left


# --- hash_seed


def test_the_hash_is_the_collectors() -> None:
    """FNV-1a of seed and id; the figures are those of the Collector's own tests."""
    assert 0x3515 == _fnv1a(0x811C9DC5, bytes(4)) & 0x3FFF
    assert 0x2455 == _fnv1a(0x811C9DC5, bytes(4) + bytes(16)) & 0x3FFF
    assert 0xBF9CF968 == _fnv1a(0x811C9DC5, b"foobar")


@pytest.mark.parametrize(
    ("percentage", "threshold"),
    [(100, "0"), (75, "4"), (50, "8"), (25, "c"), (10, "e668"), (100 / 3, "aaac")],
)
def test_hash_seed_writes_randomness_and_threshold(percentage: float, threshold: str) -> None:
    """Others can tell from the trace state what was decided by the hash."""
    ids = random_ids(200)
    sent = many((trace_id, "", {}) for trace_id in ids)
    sampler = processor(
        ProbabilisticSampler, mode="hash_seed", hash_seed=4312, sampling_percentage=percentage
    )
    states = [span.peek.trace_state for span in sampler.process(sent)]
    assert states
    for state in states:
        randomness, _, mark = state.removeprefix("ot=rv:").partition(";th:")
        assert threshold == mark
        assert int(randomness, 16) >= int(threshold.ljust(14, "0"), 16)


@pytest.mark.parametrize("percentage", [0.03, 5, 15.5, 50, 90])
def test_hash_seed_keeps_the_buckets_below_the_rate(percentage: float) -> None:
    """A trace is kept where 14 bits of its hash are below the percentage of 16384, cut off."""
    ids = random_ids(2000)
    limit = int(percentage * 16384 / 100)
    seeded = (22).to_bytes(4, "little")
    expected = [i for i in ids if _fnv1a(0x811C9DC5, seeded + i) & 0x3FFF < limit]
    assert expected == kept_ids(ids, hash_seed=22, sampling_percentage=percentage)


def test_other_seeds_choose_other_traces() -> None:
    """Two tiers with different seeds sample independently of each other."""
    ids = random_ids(4000)
    first = set(kept_ids(ids, mode="hash_seed", hash_seed=1, sampling_percentage=50))
    second = set(kept_ids(ids, mode="hash_seed", hash_seed=2, sampling_percentage=50))
    assert 800 < len(first & second) < 1200


def test_hash_seed_does_not_mix_with_the_specified_way() -> None:
    """Spans that were sampled by the specification are an error in this mode."""
    for state in ("ot=th:8", "ot=rv:90000000000000"):
        assert sample(one_span(SURE, state), mode="hash_seed", sampling_percentage=100) is None


def test_a_rate_below_one_bucket_keeps_nothing() -> None:
    """14 bits cannot tell a share below a bucket from none."""
    assert [] == kept_ids(random_ids(500), mode="hash_seed", sampling_percentage=0.001)


# --- shares


@pytest.mark.parametrize(
    ("settings", "percentage"),
    [({}, 1), ({}, 25), ({"mode": "equalizing"}, 10), ({"mode": "hash_seed"}, 62.5)],
)
def test_the_share_is_right(settings: dict[str, Any], percentage: float) -> None:
    """Chi-square over 100,000 traces in 20 parts: each gets its share, at 0.1 % significance."""
    ids = random_ids(100_000, seed=11)
    parts, size = 20, 5000
    share = percentage / 100
    statistic = 0.0
    for part in range(parts):
        kept = len(
            kept_ids(
                ids[part * size : (part + 1) * size], sampling_percentage=percentage, **settings
            )
        )
        statistic += (kept - size * share) ** 2 / (size * share * (1 - share))
    assert statistic < 45.3  # the 0.1 % quantile of chi-square with 20 degrees of freedom


def test_higher_percentages_keep_what_lower_ones_keep() -> None:
    """Gateways with different percentages agree on traces as far as they can."""
    ids = random_ids(5000)
    kept: set[bytes] = set()
    for percentage in (1, 10, 33.3, 50, 90, 100):
        more = set(kept_ids(ids, sampling_percentage=percentage))
        assert kept <= more
        kept = more


def test_sampled_spans_stand_for_all() -> None:
    """Counts weighted by the thresholds estimate what arrived, also after two samplers."""
    ids = random_ids(20_000)
    sent = many((trace_id, "", {}) for trace_id in ids)
    for percentage in (30, 50):
        sent = processor(ProbabilisticSampler, sampling_percentage=percentage).process(sent)
    estimate = sum(adjusted_count(span.peek.trace_state) for span in sent)
    assert 20_000 == pytest.approx(estimate, rel=0.05)


def test_a_trace_is_decided_alike_in_every_batch() -> None:
    """However spans are spread over batches and samplers, a trace is kept or dropped as one."""
    ids = random_ids(300)
    together = kept_ids(ids * 3, sampling_percentage=40)
    apart = [i for i in ids for _ in range(3) if kept_ids([i], sampling_percentage=40)]
    assert sorted(together) == sorted(apart)


# --- rules


def services(rates: Mapping[str, int], ids: Iterable[bytes]) -> Batch:
    """Return a batch in which each service has a span of each trace."""
    request = ExportTraceServiceRequest()
    for name in rates:
        resource = request.resource_spans.add()
        resource.resource.attributes.append(key_value("service.name", name))
        scope = resource.scope_spans.add()
        for number, trace_id in enumerate(ids):
            scope.spans.add(trace_id=trace_id, span_id=number.to_bytes(8), name=name)
    return Batch(request.SerializeToString())


def test_rules_give_services_their_own_share() -> None:
    """The first rule that matches counts, else the percentage outside the rules."""
    rules = [
        {"match": {"service.name": "checkout-*"}, "sampling_percentage": 100},
        {"match": {"service.name": "*-cron"}, "sampling_percentage": 0},
    ]
    sampler = processor(ProbabilisticSampler, sampling_percentage=50, rules=rules)
    counts = {}
    for name in ("checkout-cron", "mail-cron", "search", "Checkout-1"):
        kept = sampler.process(services({name: 1}, random_ids(1000)))
        counts[name] = len(kept)
    assert 1000 == counts["checkout-cron"]
    assert 0 == counts["mail-cron"]
    assert 430 < counts["search"] < 570
    assert counts["search"] == counts["Checkout-1"]


def test_a_trace_of_several_rules_stays_whole() -> None:
    """In one batch the highest share that a span gets holds for its whole trace."""
    rules = [{"match": {"service.name": "a"}, "sampling_percentage": 100}]
    sampler = processor(ProbabilisticSampler, sampling_percentage=0, rules=rules)
    kept = sampler.process(services({"a": 1, "b": 1}, random_ids(10)))
    assert 20 == len(kept)


def test_rules_know_tenants_and_span_types() -> None:
    """A rule may ask for the tenant, and for the type of a span."""
    rules = [{"match": {"tenant": "search", "span.type": "LLM"}, "sampling_percentage": 100}]
    sampler = processor(ProbabilisticSampler, sampling_percentage=0, rules=rules)

    def kept(tenant: str, attributes: Mapping[str, Value]) -> int:
        sent = one_span(HALF, attributes=attributes)
        return len(sampler.process(Batch(sent.encode(), BatchContext(tenant=tenant))))

    assert 1 == kept("search", {"mlflow.spanType": "LLM"})
    assert 1 == kept("search", {"openinference.span.kind": "LLM"})
    assert 0 == kept("search", {"mlflow.spanType": "TOOL"})
    assert 0 == kept("mail", {"mlflow.spanType": "LLM"})


def test_errors_are_always_kept_where_that_is_set() -> None:
    """With ``keep_errors`` a trace with a failed span is kept, marked as standing for itself."""
    good, bad = random_ids(2)
    sent = many([(good, "", {}), (bad, "", {}), (bad, "", {})])
    sent.spans[2].proto.status.code = Status.STATUS_CODE_ERROR
    data = sent.encode()

    kept = processor(ProbabilisticSampler, sampling_percentage=0, keep_errors=True)
    assert [(bad, "ot=th:0")] * 2 == [
        (span.trace_id, span.peek.trace_state) for span in kept.process(Batch(data))
    ]
    assert 0 == len(processor(ProbabilisticSampler, sampling_percentage=0).process(Batch(data)))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sampling_percentage": -1},
        {"sampling_percentage": 5, "mode": "random"},
        {"sampling_percentage": 5, "sampling_precision": 0},
        {"sampling_percentage": 5, "sampling_precision": 15},
        {"sampling_percentage": 5, "hash_seed": -1},
        {"sampling_percentage": 5, "rules": [{"match": {"a": "b"}}]},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    """What the Collector refuses is refused here too."""
    with pytest.raises(msgspec.ValidationError):
        processor(ProbabilisticSampler, **settings)


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["ot=th:8", "ot=rv:c0000000000000", "a=1", "", "=", "ot=x:y;th:0"]))
    .map(",".join),
    st.binary(max_size=20),
    st.none() | st.integers(-5, 5) | st.floats() | st.text(max_size=5) | st.booleans(),
    st.sampled_from(["proportional", "equalizing", "hash_seed"]),
    st.booleans(),
)  # fmt: skip
def test_any_span_is_decided(
    state: str, trace_id: bytes, priority: Value, mode: str, fail_closed: bool
) -> None:
    """Whatever senders write, a span is kept or dropped, and a mark that is written can be read."""
    given_batch = many([(trace_id, state, {"sampling.priority": priority})])
    left = sample(given_batch, mode=mode, sampling_percentage=50, fail_closed=fail_closed)
    if left is not None and left != state:
        assert read_trace_state(left).threshold is not None


async def test_what_cannot_be_decided_is_counted_by_reason() -> None:
    """Once started, spans without randomness and with broken trace states are counted."""
    sampler = await watched(ProbabilisticSampler, sampling_percentage=50)
    nothing = bytes(16)
    sent = many([(nothing, "", {}), (nothing, "", {}), (bytes.fromhex(SURE), "ot=th:zz", {})])
    sampler.processor.process(sent)

    assert {
        "sampling_errors_total reason=no randomness": 2,
        "sampling_errors_total reason=th must have 1 to 14 hexadecimal digits": 1,
    } == sampler.counts


@pytest.mark.parametrize("filler", [b"", b"\x11" * 5000, b"\x11sampling.priorit" * 90])
@pytest.mark.parametrize("asks", [True, False])
def test_the_priority_is_found_whatever_stands_around_it(filler: bytes, asks: bool) -> None:
    """Bytes that resemble the key neither hide it nor stand for it."""
    attributes: dict[str, Value] = {"filler": filler}
    if asks:
        attributes["sampling.priority"] = 0
    kept = sample(one_span(SURE, attributes=attributes), sampling_percentage=50)
    assert asks == (kept is None)


def test_kept_spans_keep_their_bytes() -> None:
    """The mark is added to what was received; nothing is encoded anew."""
    sent = one_span(SURE)
    (before,) = sent.entries()
    (after,) = processor(ProbabilisticSampler, sampling_percentage=50).process(sent).entries()
    assert after.span.startswith(before.span)
    assert "ot=th:8" == Batch(sent.encode()).spans[0].peek.trace_state


@pytest.mark.parametrize(
    ("reason", "state", "attributes", "settings"),
    [
        ("sampling_percentage: 49", "", {}, {"sampling_percentage": 49}),
        ("sampling.priority: 0", "", {"sampling.priority": 0}, {"sampling_percentage": 100}),
        ("rules[1]: 0.5", "", {}, {"sampling_percentage": 100}),
        ("th contradicts the randomness (fail_closed)", "ot=th:ff", {}, {"sampling_percentage": 9}),
    ],
)
def test_says_which_rule_dropped_a_span(
    reason: str, state: str, attributes: Mapping[str, Value], settings: dict[str, Any]
) -> None:
    """``spangate why`` can tell the share, the rule or the fault to which a trace fell."""
    if reason.startswith("rules"):
        others = {"match": {"span.name": "x"}, "sampling_percentage": 1}
        settings["rules"] = [others, {"match": {"span.name": "s"}, "sampling_percentage": 0.5}]
    sent = one_span(HALF, state, attributes)
    processor(ProbabilisticSampler, **settings).process(sent).note_drops("sampler")

    assert [reason] == [dropped.reason for dropped in sent.dropped]


def test_a_broken_trace_state_explains_no_other_drop() -> None:
    """Of two spans in a batch each has its own reason."""
    sent = many([(bytes.fromhex(HALF), "ot=th:ff", {}), (bytes.fromhex(HALF), "", {})])
    processor(ProbabilisticSampler, sampling_percentage=1).process(sent).note_drops("sampler")

    reasons = {dropped.reason for dropped in sent.dropped}
    assert {"th contradicts the randomness (fail_closed)", "sampling_percentage: 1"} == reasons
