"""Bad settings of ``redaction`` refuse to start, with path, reason and what was meant."""

from pathlib import Path

import pytest

from gateway.config.loader import ConfigError, load
from processors.redaction import RedactionConfig
from processors.redaction.catalog import GROUPS


def _load(tmp_path: Path, settings: str) -> RedactionConfig:
    file = tmp_path / "gateway.yaml"
    file.write_text(
        "receivers: {otlp: {protocols: {http: {endpoint: 127.0.0.1:0}}}}\n"
        "exporters: {debug: {}}\n"
        f"processors:\n  redaction: {settings}\n"
        "service: {pipelines: {traces: {receivers: [otlp], processors: [redaction], "
        "exporters: [debug]}}}\n"
    )
    config = (
        load([file], environ={"REDACT_HMAC_KEY": "not-a-real-key"}).processors["redaction"].config
    )
    assert isinstance(config, RedactionConfig)
    return config


def test_the_documented_example(tmp_path: Path) -> None:
    """Every documented setting is understood."""
    config = _load(
        tmp_path,
        """
    rules: [secrets, pii, -ip]
    phone_regions: [US, GB, DE, BR, KR]
    operators:
      default: {method: replace, text: "[{type}]"}
      email: {method: hmac, key: "${env:REDACT_HMAC_KEY}"}
      card: {method: mask, keep_last: 4}
    keys: {block: [x_internal_note], allow: ["gen_ai.usage.*"]}
    allow_values: ['.+@ourcompany\\.example$']
    custom: [{name: employee_id, pattern: '\\bEMP-\\d{6}\\b'}]
    max_value_bytes: 1048576
""",
    )

    assert "not-a-real-key" == config.operators["email"].key.reveal()
    assert {*GROUPS["secrets"], *GROUPS["pii"], "employee_id"} - {"ip"} == config.enabled()


@pytest.mark.parametrize(
    ("settings", "path", "words"),
    [
        ("{rules: [secrets, pi]}", "processors.redaction.rules", ["pi", 'did you mean "pii"']),
        ("{rules: [-emial]}", "processors.redaction.rules", ["emial", 'did you mean "email"']),
        ("{operators: {crad: {}}}", "processors.redaction.operators", ["crad", '"card"']),
        (
            "{operators: {card: {method: hash}}}",
            "processors.redaction.operators.card.method",
            ["hmac"],
        ),
        (
            "{operators: {card: {keep_last: -1}}}",
            "processors.redaction.operators.card",
            ["negative"],
        ),
        ("{phone_regions: [us]}", "processors.redaction.phone_regions", ['did you mean "US"']),
        ("{allow_values: ['(']}", "processors.redaction.allow_values", ["RE2", "missing )"]),
        ("{max_value_bytes: 0}", "processors.redaction.max_value_bytes", ["at least 1"]),
        ("{key: {block: []}}", "processors.redaction.key", ['"keys"']),
        (
            "{custom: [{name: a, pattern: '(?<=x)y'}]}",
            "processors.redaction.custom[0].pattern",
            ["RE2", "lookaround"],
        ),
        (
            "{custom: [{name: a, pattern: 'x*'}]}",
            "processors.redaction.custom[0].pattern",
            ["empty"],
        ),
        ("{custom: [{name: email, pattern: x}]}", "processors.redaction.custom[0].name", ["taken"]),
        (
            "{custom: [{name: a, pattern: x, validator: lun}]}",
            "processors.redaction.custom[0].validator",
            ['"luhn"'],
        ),
        (
            "{custom: [{name: a, pattern: x, context: [badge, '[']}]}",
            "processors.redaction.custom[0].context",
            ["RE2", "missing ]"],
        ),
    ],
)
def test_mistakes(tmp_path: Path, settings: str, path: str, words: list[str]) -> None:
    """Each mistake is refused with its place, its path and the nearest name."""
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, settings)

    message = str(caught.value)
    assert all(word in message for word in (path, "gateway.yaml:4", *words)), message


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """Several mistakes are told together."""
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, "{rules: [pi], operators: {crad: {}}, phone_regions: [us, xx]}")

    told = str(caught.value)
    assert all(word in told for word in ('"pi"', '"crad"', '"us"', '"xx"')), told
