"""What ``redaction`` promises to the people whose prompts pass through the gateway."""

import asyncio
import base64
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from gateway.batch import Batch
from gateway.otlp.values import Value, key_value
from gateway.telemetry import metrics
from gateway.testing import batch, processor
from processors.redaction import Redaction, catalog
from processors.redaction.rules import Candidate, Rule
from tests.exporters.backends import FakeContext

ADA = "ada@example.org"
KEY = "sk-" + "proj-" + "aB3d" * 12


def _context(folder: Path) -> FakeContext:
    context = FakeContext()
    context.data_dir = folder
    return context


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def redact(value: Value, key: str = "note", **settings: object) -> Value:
    """Return an attribute after redaction."""
    out = processor(Redaction, **settings).process(batch({key: value}))
    return next(iter(out)).attributes[key]


def test_every_place_of_a_request() -> None:
    """Resource, scope, span, events, links, status and trace state are redacted alike."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add(schema_url=f"https://x/{ADA}")
    resource_spans.resource.attributes.append(key_value("owner", ADA))
    scope_spans = resource_spans.scope_spans.add(schema_url=f"https://y/{ADA}")
    scope_spans.scope.name = f"lib {ADA}"
    scope_spans.scope.version = f"1 {ADA}"
    scope_spans.scope.attributes.append(key_value("author", ADA))
    span = scope_spans.spans.add(name=f"mail {ADA}", trace_state=f"a={ADA}")
    span.attributes.append(key_value(f"to.{ADA}", "x"))
    span.attributes.append(key_value("list", ["a", {"deep": [ADA]}]))
    span.attributes.append(key_value("raw", f"bytes {ADA}".encode()))
    span.status.message = f"cannot reach {ADA}"
    event = span.events.add(name=f"sent to {ADA}")
    event.attributes.append(key_value("to", ADA))
    link = span.links.add(trace_state=f"b={ADA}")
    link.attributes.append(key_value("to", ADA))

    out = processor(Redaction).process(Batch(request.SerializeToString()))

    assert b"example.org" not in out.encode()
    assert 16 == out.encode().count(b"[EMAIL]")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("http.request.header.authorization", "Bearer abc", "[AUTHORIZATION]"),
        ("http.request.header.cookie", ["a=b"], ["[COOKIE]"]),
        ("db.userPassword", "x", "[PASSWORD]"),
        ("PASSWORD", 1234, "[PASSWORD]"),
        ("llm.prompts.0.x-api-key", "k", "[API_KEY]"),
        ("openai.apiKey", "k", "[API_KEY]"),
        ("client_secret", b"\xff\x00", b"[SECRET]"),
        ("accesstoken", "abc123", "[TOKEN]"),
        ("access_token", "opaque", "[TOKEN]"),
        ("x-csrf-token", "t", "[TOKEN]"),
        ("login", '{"refreshToken": "abc"}', '{"refreshToken": "[TOKEN]"}'),
        ("credentials", {"user": "bob", "n": 7}, {"user": "[SECRET]", "n": "[SECRET]"}),
        ("password", '{"old": "a", "new": ["b"]}', '{"old": "[PASSWORD]", "new": ["[PASSWORD]"]}'),
        ("card", 4111111111111111, "[CARD]"),
        ("phone", 14155552671, "[PHONE]"),
    ],
)
def test_keys_say_what_to_redact(key: str, value: Value, expected: Value) -> None:
    """Values under telling keys go whole, whatever they are; the shape stays."""
    assert expected == redact(value, key)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("llm.token_count.prompt", 12345678),
        ("gen_ai.usage.input_tokens", 12345678),
        ("max_tokens", "4096"),
        ("tokenizer.eos_token", "</s>"),
        ("time_to_first_token", 0.25),
        ("next_page_token", "b2Zmc2V0"),
        ("logprobs.token", "understand"),
        ("litellm.input_cost_per_token", "0.0000025"),
        ("password", True),
        ("password", ""),
        ("password", "********"),
        ("bypass", "yes"),
        ("key", "abc"),
        ("embedding", [0.123456789] * 9),
        ("ids", [4111111111111111] * 9),
        ("image", "data:image/png;base64," + base64.b64encode(b"a@b.cc" * 99).decode()),
        ("raw", b"\xff ada@example.org"),
    ],
)
def test_what_only_looks_like_a_finding_stays(key: str, value: Value) -> None:
    """Counts, model tokens, vectors, images and binary values are left alone."""
    assert value == redact(value, key)


def test_an_image_with_text_behind_it_is_scanned() -> None:
    """Only what is base64 to its end is an image."""
    assert "data:image/png;base64,aGk= [EMAIL]" == redact(f"data:image/png;base64,aGk= {ADA}")


def test_repeated_attribute_keys() -> None:
    """Where a key stands twice, both values are redacted."""
    received = batch({"a": "x"})
    span = received.request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.extend(
        KeyValue(key="to", value=AnyValue(string_value=text)) for text in (ADA, "bob@example.org")
    )

    out = processor(Redaction).process(Batch(received.encode()))

    assert b"example.org" not in out.encode()


def test_unknown_fields_that_hold_a_finding_are_dropped() -> None:
    """A field of another OTLP version is kept, unless something to redact may stand in it."""
    clean, hit = (b"\xc2\x3e" + bytes((len(text),)) + text for text in (b"fine", ADA.encode()))

    kept, dropped = (
        processor(Redaction).process(Batch(b"\x0a" + bytes((len(field),)) + field))
        for field in (clean, hit)
    )

    assert clean in kept.encode()
    assert b"example.org" not in dropped.encode()


def test_spans_beside_a_finding_are_not_rewritten() -> None:
    """Only the span that holds a finding changes."""
    out = processor(Redaction).process(batch({"a": "clean"}, {"a": ADA}, {"a": "also clean"}))

    assert ["clean", "[EMAIL]", "also clean"] == [span.attributes["a"] for span in out]


def test_views_taken_before_see_no_old_text() -> None:
    """What an earlier processor parsed out of a text is forgotten."""
    received = batch({"j": f'{{"m": "{ADA}"}}'})
    assert {"m": ADA} == next(iter(received)).attributes.json("j")

    out = processor(Redaction).process(received)

    assert {"m": "[EMAIL]"} == next(iter(out)).attributes.json("j")


@pytest.mark.parametrize("key", ["user.id", "session.id", "enduser.id", "langfuse.user.id"])
def test_identities_become_pseudonyms(key: str) -> None:
    """Users and sessions stay apart and recognisable, without being readable."""
    redaction = processor(Redaction)
    values = [ADA, "bob@example.org", ADA]

    out = redaction.process(batch(*({key: value} for value in values), resource={key: ADA}))

    first, second, third = (str(span.attributes[key]) for span in out)
    assert first == third == out.resources[0].attributes[key]
    assert first != second
    assert first.startswith("[EMAIL:")
    assert "ada" not in first


def test_identities_without_personal_data_stay() -> None:
    """An opaque id is what it is for: to find the user's traces."""
    assert "user-4711" == redact("user-4711", "user.id")


async def test_pseudonyms_survive_a_restart(tmp_path: Path) -> None:
    """The generated key is kept, readable by its owner only, and used again."""
    names = []
    for _ in range(2):
        redaction = processor(Redaction)
        await redaction.start(_context(tmp_path))
        names.append(next(iter(redaction.process(batch({"user.id": ADA})))).attributes["user.id"])

    assert names[0] == names[1]
    assert 0o600 == _mode(tmp_path / "hmac.key")


async def test_replicas_agree_by_a_configured_key(tmp_path: Path) -> None:
    """With a key in the settings nothing is written, and two gateways agree."""
    values = []
    for _ in range(2):
        redaction = processor(Redaction, hmac_key="not-a-real-key")
        await redaction.start(_context(tmp_path))
        values.append(next(iter(redaction.process(batch({"user.id": ADA})))).attributes["user.id"])

    assert values[0] == values[1]
    assert [] == _names(tmp_path)


async def test_workers_that_start_together_share_one_key(tmp_path: Path) -> None:
    """Several processes that make the key at once end up with the same one."""
    several = [processor(Redaction) for _ in range(8)]

    await asyncio.gather(*(one.start(_context(tmp_path)) for one in several))

    assert 1 == len({one._key for one in several})
    assert ["hmac.key"] == _names(tmp_path)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ({"method": "replace", "text": "<{type} gone>"}, "mail <EMAIL gone> now"),
        ({"method": "mask", "keep_last": 3}, "mail ***@*******.org now"),
        ({"method": "mask", "keep_last": 99}, "mail ***@*******.*** now"),
        ({"method": "remove"}, "mail  now"),
    ],
)
def test_operators(operator: dict[str, object], expected: str) -> None:
    """Each type has its operator."""
    assert expected == redact(f"mail {ADA} now", operators={"email": operator})


def test_default_operator_and_one_for_a_type() -> None:
    """A type's own operator wins over the default."""
    operators = {"default": {"text": "*"}, "card": {"method": "mask", "keep_last": 4}}

    assert "* ****-****-****-1111" == redact(f"{ADA} 4111-1111-1111-1111", operators=operators)


def test_hmac_keys_differ() -> None:
    """A pseudonym depends on its key."""
    one, other = (
        redact(ADA, operators={"email": {"method": "hmac", "key": key}}) for key in ("one", "two")
    )

    assert one != other


def test_rules_choose_what_is_looked_for() -> None:
    """Groups and single types are chosen, and one is taken out."""
    text = f"{ADA} 10.1.2.3 {KEY}"

    assert f"[EMAIL] [IP] {KEY}" == redact(text, rules=["pii"])
    assert f"{ADA} 10.1.2.3 [OPENAI_KEY]" == redact(text, rules=["secrets"])
    assert "[EMAIL] 10.1.2.3 [OPENAI_KEY]" == redact(text, rules=["secrets", "pii", "-ip"])
    assert "[EMAIL] 10.1.2.3 [OPENAI_KEY]" == redact(text, rules=["-ip"])
    assert f"[EMAIL] 10.1.2.3 {KEY}" == redact(text, rules=["email"])


def test_blocked_and_allowed_keys() -> None:
    """Keys can be added, by name or glob, and exempted with everything below."""
    keys = {"block": ["x_internal_note", "hr.*"], "allow": ["contact.*", "password"]}

    assert "[BLOCKED_KEY]" == redact("whatever", "app.xInternalNote", keys=keys)
    assert "[BLOCKED_KEY]" == redact("whatever", "hr.salary", keys=keys)
    assert ADA == redact(ADA, "contact.mail", keys=keys)
    assert '{"password": "x"}' == redact('{"password": "x"}', keys=keys)
    assert {"a": ADA} == redact({"a": ADA}, "contact.all", keys=keys)


def test_allowed_values() -> None:
    """Findings that match a pattern wholly stay; a part of one is not enough."""
    allow = [r".+@ourcompany\.example$"]

    assert "bob@ourcompany.example [EMAIL]" == redact(
        f"bob@ourcompany.example {ADA}", allow_values=allow
    )
    assert "[EMAIL]" == redact("bob@ourcompany.example.evil.org", allow_values=allow)


def test_custom_rules() -> None:
    """Users add rules with a validator, context words and an operator."""
    custom = [
        {"name": "employee_id", "pattern": r"\bEMP-\d{6}\b"},
        {"name": "badge", "pattern": r"\b\d{5}\b", "context": ["badge"]},
        {"name": "loyalty", "pattern": r"LC(\d{10})", "validator": "luhn"},
        {"name": "room", "pattern": r"R\d{3}", "operator": {"method": "remove"}},
    ]

    out = redact(
        "EMP-123456 badge 12345, LC1234567897 LC1234567890 R101 and then some more words of a "
        "long text that goes on: 54321",
        custom=custom,
    )

    assert "[EMPLOYEE_ID] badge [BADGE], LC[LOYALTY] LC1234567890  and" == str(out)[:58]
    assert str(out).endswith("54321")


def test_phone_regions() -> None:
    """National numbers are recognised where their region is configured."""
    number = "912 34 56 78"

    assert number == redact(number)
    assert "[PHONE]" == redact(number, phone_regions=["ES"])


def test_oversized_value_is_given_up() -> None:
    """A value over the limit is replaced, even where nothing else would be."""
    assert "[REDACTION_FAILED]" == redact("x" * 101, max_value_bytes=100)
    assert "x" * 100 == redact("x" * 100, max_value_bytes=100)


def test_failure_replaces_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in a rule costs the value, not the batch and not the secret."""

    def fail(candidate: Candidate) -> None:
        raise RuntimeError(candidate.text)

    faulty = Rule("email", r"[a-z]+@example", check=fail)
    monkeypatch.setattr(catalog, "rules", lambda *_: [faulty])

    out = processor(Redaction).process(batch({"a": f"mail {ADA}", "b": "clean"}))

    assert {"a": "[REDACTION_FAILED]", "b": "clean"} == dict(next(iter(out)).attributes)


def test_counts_by_type() -> None:
    """Findings are counted by type."""

    def count(kind: str) -> float:
        value: float = metrics.redactions.labels(kind)._value.get()
        return value

    before = count("email"), count("redaction_failed")

    processor(Redaction, max_value_bytes=99).process(batch({"a": f"{ADA} {ADA}", "b": "x" * 100}))

    assert (before[0] + 2, before[1] + 1) == (count("email"), count("redaction_failed"))


def test_findings_name_places_and_no_values() -> None:
    """``findings`` lists what would be replaced and leaves the batch as it is."""
    received = batch({"a": f"mail {ADA}"}, name="chat")
    data = received.encode()

    findings = processor(Redaction).findings(received)

    assert [('span "chat": attribute a', "email", 15)] == [tuple(one) for one in findings]
    assert data == received.encode()
    assert ADA not in str(findings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('os.environ["DB_PASS"] = "Zx9!kLmN"', 'os.environ["DB_PASS"] = "[PASSWORD]"'),
        ("<password>Zx9!kLmN</password>", "<password>[PASSWORD]</password>"),
        ("Das Passwort ist Zx9!kLmN.", "Das Passwort ist [PASSWORD]."),
        ("Mot de passe\u00a0: « Zx9!kLmN »", "Mot de passe\u00a0: « [PASSWORD] »"),
        ("**Password:** Zx9!kLmN", "**Password:** [PASSWORD]"),
        ("パスワードはZx9!kLmNです", "パスワードは[PASSWORD]です"),
        ("mysql -u root -pZx9!kLmN shop", "mysql -u root -p[PASSWORD] shop"),
        ("auth=('bob', 'Zx9!kLmN')", "auth=('bob', '[PASSWORD]')"),
        ("4111\u00a01111\u00a01111\u00a01111", "[CARD]"),
        ("https://a.example/?u=ada%2540example.org", "https://a.example/?u=[EMAIL]"),
        ("DNI 12345678Z", "DNI [NATIONAL_ID]"),
        ("geboren am 17. April 1986 in Ulm", "geboren am [DATE_OF_BIRTH] in Ulm"),
        ("020 7946 0958 (24/7)", "[PHONE] (24/7)"),
        ("Tel. (+34) 698 123 456", "Tel. [PHONE]"),
    ],
)
def test_findings_as_people_write_them(text: str, expected: str) -> None:
    """What is replaced is the finding, whatever stands around it."""
    (span,) = processor(Redaction).process(batch({"note": text}))

    assert expected == span.attributes["note"]


@pytest.mark.parametrize(
    "text",
    [
        "Het wachtwoord is onjuist",
        "La password è obbligatoria",
        "versión 3.2.1.0",
        "netmask 255.255.255.0",
        "ratio 1:2:3:4:5:6:7:8",
        "the mobile layout is 320 480 768 px wide",
        "Bach was born on 31 March 1685",
        "DNI 12345678A",
        'matrix["token"] = value',
    ],
)
def test_text_that_only_resembles_findings_stays(text: str) -> None:
    """Words for secrets, versions, masks and ratios are none."""
    (span,) = processor(Redaction).process(batch({"note": text}))

    assert text == span.attributes["note"]
