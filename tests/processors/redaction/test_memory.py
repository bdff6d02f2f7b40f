"""What is remembered of attributes, and that nobody can tell that it is."""

from gateway.batch import Batch
from gateway.otlp.values import Value
from gateway.telemetry import metrics
from gateway.testing import batch, processor
from processors.redaction import Redaction
from processors.redaction.memory import Memory, Outcome

SPAN: dict[str, Value] = {"client.address": "203.0.113.9", "user.id": "ada@example.org", "n": 3}


def _count(kind: str) -> float:
    value: float = metrics.redactions.labels(kind)._value.get()
    return value


def test_repeated_attribute_is_redacted_each_time() -> None:
    """Every span with the same address loses it, in the first batch and in later ones."""
    redaction = processor(Redaction)

    for _ in range(3):
        out = redaction.process(batch(*[SPAN] * 4))

        assert ["[IP]"] * 4 == [span.attributes["client.address"] for span in out]


def test_repeated_attribute_is_counted_each_time() -> None:
    """A finding that is remembered counts like one that is not."""
    redaction = processor(Redaction)
    before = _count("ip")

    redaction.process(batch(*[SPAN] * 5))
    redaction.process(batch(*[SPAN] * 5))

    assert 10.0 == _count("ip") - before


def test_same_user_keeps_the_pseudonym() -> None:
    """A remembered pseudonym is the one that would be made."""
    redaction = processor(Redaction, hmac_key="k" * 32)
    fresh = processor(Redaction, hmac_key="k" * 32, allow_values=["nothing"])

    users = [
        span.attributes["user.id"] for _ in range(2) for span in redaction.process(batch(SPAN))
    ]

    assert [next(iter(fresh.process(batch(SPAN)))).attributes["user.id"]] * 2 == users


def test_other_keys_and_neighbours_are_other_attributes() -> None:
    """What is known of a value under one key says nothing about it under another."""
    redaction = processor(Redaction, phone_regions=["US"])
    digits: dict[str, Value] = {"ref": "4155552671", "phone": "4155552671"}

    for _ in range(2):
        (span,) = redaction.process(batch(digits))

        assert {"ref": "4155552671", "phone": "[PHONE]"} == dict(span.attributes)


def test_findings_are_listed_although_remembered() -> None:
    """``findings`` names each place also when the attribute is known."""
    redaction = processor(Redaction)
    redaction.process(batch(SPAN))

    places = [found.place for found in redaction.findings(batch(SPAN, name="call"))]

    assert [
        'span "call": attribute client.address',
        'span "call": attribute user.id',
    ] == places


def test_redacted_keys_stay_apart() -> None:
    """Two keys that become the same are numbered, also the second time."""
    redaction = processor(Redaction)
    given: dict[str, Value] = {"ada@example.org": 1, "bob@example.org": 2}

    for _ in range(2):
        (span,) = redaction.process(batch(given))

        assert {"[EMAIL]": 1, "[EMAIL]_2": 2} == dict(span.attributes)


def test_same_outcome_with_a_cold_and_a_warm_memory() -> None:
    """The encoded batch is the same however often its attributes were seen."""
    redaction = processor(Redaction, hmac_key="k" * 32)
    data = batch(*[SPAN] * 3).encode()

    cold, warm = (redaction.process(Batch(data)).encode() for _ in range(2))

    assert cold == warm


def test_memory_is_bounded() -> None:
    """However many attributes come by, no more than the limit is kept."""
    memory = Memory(max_bytes=100_000)

    for number in range(10_000):
        memory.put(b"%06d" % number, Outcome(None, ()))

    assert 500 >= len(memory._young) + len(memory._old)
    assert memory.get(b"009999") is not None
    assert memory.get(b"000000") is None


def test_what_is_asked_for_again_is_kept() -> None:
    """An attribute that keeps coming survives others that come once."""
    memory = Memory(max_bytes=100_000)
    memory.put(b"often", Outcome(b"x", ("ip",)))

    for number in range(10_000):
        memory.put(b"%06d" % number, Outcome(None, ()))
        assert Outcome(b"x", ("ip",)) == memory.get(b"often")


def test_long_attributes_are_not_kept() -> None:
    """A prompt is not kept in memory."""
    memory = Memory()

    memory.put(b"x" * 5000, Outcome(None, ()))

    assert memory.get(b"x" * 5000) is None
