"""What presidio_names promises, with the real Presidio; it is skipped where that is missing."""

import asyncio
import importlib.util
import json
from typing import Any

import pytest

from gateway.plugin import Batch
from gateway.testing import FakeContext, batch, check_contract, processor
from presidio_names import PresidioNames

NAMES = {"model": "none", "names": ["Ada Lovelace", "Grace Hopper"]}
WITH_MODEL = importlib.util.find_spec("en_core_web_sm") is not None


def redacted(sent: Batch, context: FakeContext | None = None, **settings: Any) -> Batch:
    pytest.importorskip("presidio_analyzer")
    plugin = processor(PresidioNames, **(settings or NAMES))
    asyncio.run(plugin.start(context or FakeContext()))
    return plugin.process(sent)


def test_names_are_hidden_wherever_they_stand() -> None:
    """In attributes of span and resource, in lists, in the span's own name; in any case."""
    sent = batch(
        {"note": "Call Ada Lovelace!", "list": ["grace hopper", 5]},
        name="greet Ada Lovelace",
        resource={"owner": "Grace Hopper"},
    )

    [span] = redacted(sent)

    assert {"note": "Call [name]!", "list": ["[name]", 5]} == span.attributes
    assert "greet [name]" == span.name
    assert {"owner": "[name]"} == span.resource.attributes


def test_json_stays_json() -> None:
    """A name inside of a JSON text is hidden, also where it is written with escapes."""
    text = json.dumps([{"role": "user", "content": "I am Ada Lovelace."}])
    escaped = text.replace("Ada", "\\u0041da")

    for sent in (text, escaped):
        [span] = redacted(batch({"input.value": sent}))
        assert [{"role": "user", "content": "I am [name]."}] == json.loads(
            str(span.attributes["input.value"])
        )


def test_status_and_events_are_cleaned() -> None:
    """What an exception quotes is hidden too."""
    sent = batch({})
    for span in sent:
        span.proto.status.message = "Ada Lovelace failed"
        event = span.proto.events.add(name="exception")
        event.attributes.add(key="exception.message").value.string_value = "by Grace Hopper"

    [span] = redacted(sent)

    assert "[name] failed" == span.peek.status.message
    assert "by [name]" == span.peek.events[0].attributes[0].value.string_value


def test_what_is_hidden_is_counted() -> None:
    """Once for each name."""
    context = FakeContext()
    redacted(batch({"note": "Ada Lovelace met Grace Hopper"}), context)

    assert 2 == context.meter.value("presidio_names")


@pytest.mark.skipif(not WITH_MODEL, reason="needs the spaCy model en_core_web_sm")
def test_the_model_finds_names_that_nobody_listed() -> None:
    """The names of strangers are hidden."""
    [span] = redacted(batch({"note": "Yesterday John Smith called."}), model="en_core_web_sm")

    assert "Yesterday [name] called." == span.attributes["note"]


def test_a_model_that_is_missing_stops_the_start() -> None:
    """The message says how to get it."""
    with pytest.raises(ValueError, match="python -m spacy download xx_absent"):
        redacted(batch({}), model="xx_absent")


def test_nothing_to_look_for_is_a_mistake() -> None:
    """Found when the configuration is read; needs no Presidio."""
    with pytest.raises(ValueError, match="names: without a model"):
        processor(PresidioNames, model="none")


def test_keeps_the_contract() -> None:
    """What every processor promises."""
    pytest.importorskip("presidio_analyzer")
    check_contract(PresidioNames, **NAMES)
