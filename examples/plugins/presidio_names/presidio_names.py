"""Hide people's names, which no pattern finds, with Microsoft Presidio."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from gateway.plugin import Attributes, Batch, Config, Context, Processor


class PresidioNamesConfig(Config):
    """Settings of ``presidio_names``."""

    model: str = "en_core_web_sm"
    """The spaCy model that recognises names; ``none`` looks for ``names`` alone."""

    language: str = "en"
    """Language of the texts, which must be that of the model."""

    names: tuple[str, ...] = ()
    """Names that are always hidden, such as those of your staff; case does not matter."""

    min_score: float = 0.5
    """How sure Presidio must be, from 0 to 1."""

    replacement: str = "[name]"
    """What stands in place of a name."""

    def validate(self) -> None:
        """Refuse settings with which nothing would ever be found."""
        if self.model == "none" and not self.names:
            raise ValueError("names: without a model, expected at least one name")


class PresidioNames(Processor[PresidioNamesConfig]):
    """
    Replace names in every text of spans, events and status; looks inside JSON in strings.

    Works beside ``redaction``, which finds what has a form. Fails closed.
    """

    on_error = "reject"

    async def start(self, context: Context) -> None:
        """Load Presidio and the model, which takes seconds."""
        self._count = context.meter.count
        self._find = await asyncio.to_thread(_finder, self.config)

    def process(self, batch: Batch) -> Batch:
        """Change the spans in place."""
        self._clean_all([resource.attributes for resource in batch.resources])
        for span in batch:
            self._clean_all([span.attributes])
            span.name = self._unnamed(span.name)
            proto = span.proto
            proto.status.message = self._unnamed(proto.status.message)
            for event in proto.events:
                event.name = self._unnamed(event.name)
                for attribute in event.attributes:
                    if attribute.value.HasField("string_value"):
                        cleaned = self._cleaned(attribute.value.string_value)
                        attribute.value.string_value = cleaned
        return batch

    def _clean_all(self, groups: list[Attributes]) -> None:
        for attributes in groups:
            for key, value in list(attributes.items()):
                cleaned = self._cleaned(value)
                if cleaned != value:
                    attributes[key] = cleaned

    def _cleaned(self, value: Any) -> Any:
        """Return a value without names; JSON texts stay JSON."""
        if isinstance(value, str):
            return self._cleaned_text(value)
        if isinstance(value, list):
            return [self._cleaned(item) for item in value]
        if isinstance(value, dict):
            return {key: self._cleaned(item) for key, item in value.items()}
        return value

    def _cleaned_text(self, text: str) -> str:
        if text[:1] in ("{", "["):
            try:
                parsed = json.loads(text)
            except (ValueError, RecursionError):
                return self._unnamed(text)
            cleaned = self._cleaned(parsed)
            return text if cleaned == parsed else json.dumps(cleaned, ensure_ascii=False)
        return self._unnamed(text)

    def _unnamed(self, text: str) -> str:
        found = self._find(text) if text else []
        for start, end in sorted(found, reverse=True):
            text = text[:start] + self.config.replacement + text[end:]
        if found:
            self._count("presidio_names", len(found))
        return text


Finder = Callable[[str], list[tuple[int, int]]]


def _finder(config: PresidioNamesConfig) -> Finder:
    """Return what finds names in a text, as places that do not overlap."""
    from presidio_analyzer import AnalyzerEngine, PatternRecognizer, RecognizerRegistry
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    languages = [config.language]
    registry = RecognizerRegistry(supported_languages=languages)
    if config.names:
        known = PatternRecognizer(
            supported_entity="PERSON",
            deny_list=list(config.names),
            supported_language=config.language,
        )
        registry.add_recognizer(known)
    if config.model != "none":
        registry.add_recognizer(
            SpacyRecognizer(supported_entities=["PERSON"], supported_language=config.language)
        )
    engine = AnalyzerEngine(
        registry=registry, nlp_engine=_nlp_engine(config), supported_languages=languages
    )
    analyze = partial(
        engine.analyze,
        language=config.language,
        entities=["PERSON"],
        score_threshold=config.min_score,
    )
    return lambda text: _merged([(one.start, one.end) for one in analyze(text)])


def _nlp_engine(config: PresidioNamesConfig) -> Any:
    """Return spaCy with the model, or with its tokenizer alone; nothing is fetched."""
    import spacy
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    if config.model == "none":
        language = spacy.blank(config.language)
    else:
        try:
            language = spacy.load(config.model)
        except OSError as error:
            raise ValueError(
                f"model: spaCy has no {config.model} here; run `python -m spacy download "
                f"{config.model}`, or set model: none and give names"
            ) from error
    language.max_length = 100_000_000

    class Loaded(SpacyNlpEngine):
        """Presidio's engine around what is loaded already."""

        def load(self) -> None:
            """Take what is there."""
            self.nlp = {config.language: language}

    engine = Loaded(models=[{"lang_code": config.language, "model_name": config.model}])
    engine.load()
    return engine


def _merged(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join places that overlap."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
