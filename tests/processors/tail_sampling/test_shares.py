"""What policies that keep a part promise: the right part, and the right count."""

import random

import pytest

from gateway.batch import Batch
from gateway.plugin import Drop, Keep
from gateway.testing import batch, processor, trace
from processors.consistent_sampling import adjusted_count
from processors.probabilistic_sampler import ProbabilisticSampler
from tests.processors.tail_sampling.judging import kept, sampler

CHANCE = {"type": "probabilistic", "probabilistic": {"sampling_percentage": 25}}


def with_id(trace_id: bytes, state: str = "") -> Batch:
    spans = batch({})
    spans.spans[0].proto.trace_id = trace_id
    spans.spans[0].proto.trace_state = state
    return Batch(spans.encode())


def some_ids(number: int) -> list[bytes]:
    dice = random.Random(7)
    return [dice.randbytes(16) for _ in range(number)]


def test_the_share_is_that_of_the_head_sampler() -> None:
    """Without a salt the same traces are kept, and marked alike."""
    judge = sampler(CHANCE)
    head = processor(ProbabilisticSampler, sampling_percentage=25)
    number = 0
    for trace_id in some_ids(2000):
        expected = head.process(with_id(trace_id))
        answer = judge.decide(trace(with_id(trace_id)))
        assert isinstance(answer, Keep) == (len(expected) == 1)
        if isinstance(answer, Keep):
            number += 1
            released = judge.release(with_id(trace_id), answer.reason)
            assert expected.spans[0].peek.trace_state == released.spans[0].peek.trace_state
    assert 430 < number < 570


def test_chances_multiply() -> None:
    """25 % of what a head sampler kept of all by 10 %: each stands for 40, and 1 in 4 is kept."""
    head = processor(ProbabilisticSampler, sampling_percentage=10)
    judge = sampler(CHANCE)
    sampled = [one for i in some_ids(20_000) if len(one := head.process(with_id(i)))]
    counts = []
    for one in sampled:
        answer = judge.decide(trace(Batch(one.encode())))
        if isinstance(answer, Keep):
            state = judge.release(Batch(one.encode()), answer.reason).spans[0].peek.trace_state
            counts.append(adjusted_count(state))
    assert 0.2 < len(counts) / len(sampled) < 0.3
    assert [40.0] == sorted({round(count, 1) for count in counts})


def test_what_is_kept_for_certain_is_not_counted_several_times() -> None:
    """A trace that a certain policy matches too carries no share."""
    judge = sampler(CHANCE, {"type": "always_sample"})
    lucky = with_id(b"\xff" * 16)
    answer = judge.decide(trace(lucky))
    assert Keep("always_sample") == answer
    assert "" == judge.release(lucky, "always_sample").spans[0].peek.trace_state


def test_the_share_inside_an_and_counts() -> None:
    """A chance under a condition marks what it kept."""
    judge = sampler(
        {
            "type": "and",
            "and": {
                "and_sub_policy": [
                    {"name": "a", "type": "always_sample"},
                    {"name": "b", **CHANCE},
                ]
            },
        }
    )
    lucky = with_id(b"\xff" * 16)
    assert Keep("and") == judge.decide(trace(lucky))
    state = judge.release(lucky, "and").spans[0].peek.trace_state
    assert 4 == adjusted_count(state)


def test_a_broken_trace_state_stays_as_it_is() -> None:
    """It neither stops the decision nor is it written to."""
    judge = sampler(CHANCE)
    broken = with_id(b"\xff" * 16, "ot=rv:zz")
    assert Keep("probabilistic") == judge.decide(trace(broken))
    assert "ot=rv:zz" == judge.release(broken, "probabilistic").spans[0].peek.trace_state


@pytest.mark.parametrize(
    ("expected", "percentage"), [(True, 100), (False, 0), (True, 85.18), (False, 85.17)]
)
def test_a_salt_hashes_as_the_collector(expected: bool, percentage: float) -> None:
    """FNV-1a over salt and id, 64 bits: a salt "a" and an id of zeros lie at 85.17 %."""
    value = 0xCBF29CE484222325
    for byte in b"a" + bytes(16):
        value = (value ^ byte) * 0x100000001B3 % 2**64
    assert 0.8517 < value / 2**64 < 0.8518
    policy = {
        "type": "probabilistic",
        "probabilistic": {"sampling_percentage": percentage, "hash_salt": "a"},
    }
    assert expected is kept(policy, with_id(bytes(16)))


def test_rate_limiting_counts_spans_by_the_second() -> None:
    """Five spans fit five a second, the next do so one second later; larger traces never."""
    judge = sampler({"type": "rate_limiting", "rate_limiting": {"spans_per_second": 5}})
    first, second, third = (trace(batch({}, {}, {})) for _ in range(3))
    small = trace(batch({}, {}))
    assert isinstance(judge.decide(first), Keep)
    assert isinstance(judge.decide(second), Drop)
    assert isinstance(judge.decide(small), Keep)
    third.now_unix_ns += 1_000_000_000
    assert isinstance(judge.decide(third), Keep)
    assert isinstance(judge.decide(trace(batch(*({} for _ in range(6))))), Drop)


def test_rate_limiting_with_a_burst_refills() -> None:
    """A burst at once, then as many spans as time brings; what exceeds the burst never fits."""
    judge = sampler(
        {"type": "rate_limiting", "rate_limiting": {"spans_per_second": 2, "burst_capacity": 4}}
    )
    several = [trace(batch({}, {})) for _ in range(5)]
    several[3].now_unix_ns += 500_000_000
    several[4].now_unix_ns += 1_000_000_000
    answers = [isinstance(judge.decide(one), Keep) for one in several]
    assert [True, True, False, False, True] == answers
    assert isinstance(judge.decide(trace(batch(*({} for _ in range(5))))), Drop)


def test_bytes_limiting_refills() -> None:
    """A burst of twice the rate, then as much as time brings."""
    size = trace(batch({"x": "y" * 1000})).size_bytes
    judge = sampler({"type": "bytes_limiting", "bytes_limiting": {"bytes_per_second": size}})
    several = [trace(batch({"x": "y" * 1000})) for _ in range(5)]
    several[3].now_unix_ns += 500_000_000
    several[4].now_unix_ns += 1_000_000_000
    answers = [isinstance(judge.decide(one), Keep) for one in several]
    assert [True, True, False, False, True] == answers


def test_bytes_limiting_never_keeps_what_exceeds_the_burst() -> None:
    """Not even when it is full."""
    policy = {
        "type": "bytes_limiting",
        "bytes_limiting": {"bytes_per_second": 10_000, "burst_capacity": 500},
    }
    assert not kept(policy, batch({"x": "y" * 1000}))
    assert kept(policy, batch({"x": "y" * 100}))
