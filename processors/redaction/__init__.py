"""
``redaction``: what the rules recognise as secret or personal leaves the gateway replaced.

How it goes: one RE2 pattern, derived from the rules, runs over the encoded request. Where it does
not hit, nothing is decoded and the received bytes stay. Spans that it hits are walked text by
text; texts that it hits are parsed (JSON, also in strings of JSON) and scanned rule by rule.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Container

from gateway.batch import Batch
from gateway.plugin import Context, Processor
from gateway.telemetry import metrics
from processors.redaction import catalog, places, secret_key
from processors.redaction.blanks import blanked
from processors.redaction.keys import Keys, raw_patterns
from processors.redaction.memory import Memory
from processors.redaction.operators import Operators
from processors.redaction.prefilter import derive_prefilter
from processors.redaction.report import Finding, Report
from processors.redaction.rules import Rule
from processors.redaction.scanner import Scanner, telling
from processors.redaction.scrubber import Scrubber
from processors.redaction.settings import CustomRule, RedactionConfig, compile_pattern
from processors.redaction.walk import Walker

__all__ = ["Finding", "Redaction", "RedactionConfig"]


class Redaction(Processor[RedactionConfig]):
    """
    Replace secrets and personal data in every text of a batch.

    Fails closed: a value that cannot be processed is replaced, and a batch on which more than
    that goes wrong is refused. A batch in which nothing is found keeps its received bytes.
    """

    on_error = "reject"
    stability = "beta"

    def __init__(self, config: RedactionConfig, *, use_prefilter: bool = True) -> None:
        super().__init__(config)
        self._key = config.hmac_key.reveal().encode() or secrets.token_bytes(32)
        enabled = config.enabled()
        rules = [*map(_custom, config.custom), *catalog.rules(enabled, config.phone_regions)]
        rules = [rule for rule in rules if rule.type in enabled]
        keys = Keys(enabled, config.keys.block, config.keys.allow, telling(rules))
        pattern = derive_prefilter(rules, raw_patterns(enabled, config.keys.block))
        self._memory = Memory()
        self._recurring: list[int] = []
        """The numbers of attributes that were known in many spans of the last request."""
        self._prefilter = pattern if use_prefilter else None
        by_type = {rule.name: rule.operator for rule in config.custom if rule.operator is not None}
        self._scrubber = Scrubber(
            Scanner(rules),
            keys,
            Operators({**by_type, **config.operators}, lambda: self._key),
            allowed=[compile_pattern(text, "allow_values") for text in config.allow_values],
            prefilter=self._prefilter,
            max_bytes=config.max_value_bytes,
        )

    async def start(self, context: Context) -> None:
        """Read the key of the pseudonyms, or make it, unless the settings hold it."""
        if not self.config.hmac_key:
            self._key = await asyncio.to_thread(secret_key.load_or_create, context.data_dir)
            self._memory.forget()

    def process(self, batch: Batch) -> Batch:
        """Redact in place; count by kind."""
        report = Report()
        self._redact(batch, report)
        _count(report.types)
        return batch

    def findings(self, batch: Batch) -> list[Finding]:
        """Return what ``process`` would replace, without values; the batch stays as it is."""
        report = Report(details=True)
        self._redact(Batch(batch.encode(), batch.context), report)
        return report.findings or []

    def _redact(self, batch: Batch, report: Report) -> None:
        data = batch.encode()
        hits = self._hits(data, self._memory if report.findings is None else ())
        if hits is not None and not hits:
            return
        walker = Walker(self._scrubber, report, self._memory)
        if hits is None or hits.shared:
            for resource_spans in batch.peek.resource_spans:
                walker.shared(resource_spans)
            if walker.changed:
                _ = batch.request  # voids the received bytes and the views that read the old texts
        rewritten = walker.spans(data, batch.spans, hits, batch.pause)
        if rewritten:
            batch.adopt(rewritten)

    def _hits(self, data: bytes, known: Container[bytes]) -> places.Hits | None:
        """Return where a look is needed; ``None`` means everywhere."""
        if self._prefilter is None:
            return None
        try:
            bounds = places.spans(data)
        except places.FramingError:
            return None
        looked, seen = blanked(data, bounds, known, self._recurring)
        first = self._prefilter.first(looked, 0)
        hits = places.locate(looked, first, self._prefilter, bounds, known, seen=seen)
        if known:
            self._recurring = places.recurring(hits)
        if len(data) > self.config.max_value_bytes:
            places.oversized(data, bounds, self.config.max_value_bytes, hits)
        return hits


def _custom(rule: CustomRule) -> Rule:
    check = catalog.CHECKS[rule.validator] if rule.validator is not None else None
    return Rule(rule.name, rule.pattern, "", check, rule.context, is_long=True)


def _count(types: list[str]) -> None:
    for kind, count in Counter(types).items():
        metrics.redactions.labels(kind).inc(count)
