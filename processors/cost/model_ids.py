"""
Model ids: from what senders write to what a catalogue may know.

An id carries more than the model's name: who runs it (``azure/``), where (``us.``), since when
(``@20240620``), in which variant (``:nitro``), as whose fine-tune (``ft:``). Each guess drops
one of these; the first that the catalogue knows counts, so that nothing is dropped needlessly.
"""

import re
from collections.abc import Iterator

from processors.cost.providers import LOCAL, NAMES, ORGANISATIONS, canonical

MAX_LENGTH = 256
"""Longer ids name no model."""

_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:[^:]*:[^:]*:([a-z-]+)/(.+)")
_ARN_KINDS = ("foundation-model", "inference-profile")
_VERTEX = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?publishers/([^/]+)/models/(.+)")
_BEDROCK = re.compile(
    r"(?:[a-z]{2,6}(?:-gov)?\.)?(?:amazon|anthropic|meta|mistral|cohere|ai21|deepseek|qwen|writer|"
    r"openai|nvidia|google|moonshotai|moonshot|zai|minimax|stability|twelvelabs)\.[a-z]"
)
_BEDROCK_MAKERS = (
    ("nova-", "amazon"), ("titan-", "amazon"), ("claude-", "anthropic"), ("llama", "meta"),
    ("mistral", "mistral"), ("mixtral", "mistral"), ("ministral", "mistral"),
    ("command", "cohere"), ("jamba", "ai21"), ("deepseek", "deepseek"), ("gpt-oss", "openai"),
    ("qwen", "qwen"), ("gemma", "google"), ("kimi", "moonshot"), ("minimax", "minimax"),
)  # fmt: skip
_BEDROCK_PATH = re.compile(r"(?:converse|converse_like|invoke|[a-z]{2}(?:-gov)?-[a-z]+-\d)/")
_PROXY = re.compile(r"^litellm(?:[_-]proxy)?/")
_AZURE_PATH = re.compile(r"(?:eu|us|global|global-standard)/")
_OPEN_WEIGHTS = re.compile(r"(?<![a-z0-9.])\d+(?:\.\d+)?(?:x\d+)?b(?![a-z0-9])")

_SHORTER: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^models/"), ""),
    (re.compile(r"^gpt-35"), "gpt-3.5"),
    (re.compile(r"@(?=\d)"), "-"),
    (re.compile(r"[@-](?:default|\d{3})$"), ""),
    (re.compile(r":(?:nitro|floor|online|beta|thinking|extended|exacto)$"), ""),
    (re.compile(r"-maas$"), ""),
    (re.compile(r"(?<=\d):\d+k$"), ""),
    (re.compile(r":\d+$"), ""),
    (re.compile(r"(?<=\d{8})-v\d+$"), ""),
    (re.compile(r"^(?:[a-z]{2,6}(?:-gov)?)\.(?=[a-z0-9]+\.)"), ""),
    (re.compile(r"-20\d\d-?[01]\d-?[0-3]\d$"), ""),
    (re.compile(r"-(?:preview|exp)-[01]\d-(?:20)?\d\d$"), ""),
    (re.compile(r"-latest$"), ""),
)
"""What may be left out of an id, least harm first."""


def is_free(model: str) -> bool:
    """Whether the id itself says that the model costs nothing."""
    return model.strip().strip('"').lower().endswith(":free")


def guesses(provider: str, model: str) -> Iterator[tuple[str, str]]:
    """
    Yield (provider, id) as a catalogue may know them, most exact first.

    Args:
        provider: :func:`~processors.cost.providers.canonical` name of who answered, or ``""``.
        model: the id as sent.

    """
    model = _PROXY.sub("", model.strip().strip('"').lower(), count=1)
    if not model or len(model) > MAX_LENGTH:
        return
    seen: set[tuple[str, str]] = set()
    for who, name in _readings(provider, model):
        if who == LOCAL:
            return
        for spelling in _spellings(who, name):
            if (who, spelling) not in seen:
                seen.add((who, spelling))
                yield who, spelling


def _readings(provider: str, model: str) -> Iterator[tuple[str, str]]:
    """Yield who may run the model and its id there."""
    if arn := _ARN.fullmatch(model):
        if arn[1] in _ARN_KINDS:
            yield "aws", arn[2]
        return
    if vertex := _VERTEX.fullmatch(model):
        yield "google", vertex[2]
        return
    if _BEDROCK.match(model) and provider in ("", "aws", "anthropic"):
        yield "aws", model
        return
    if provider:
        yield provider, model
    head, rest = _split(model)
    if head:
        if provider:
            yield from _readings(provider, rest)
        if not (head in ORGANISATIONS and _OPEN_WEIGHTS.search(rest)):
            runner = ORGANISATIONS.get(head) if head in ORGANISATIONS else canonical(head)
            if runner and runner != provider:
                yield from _readings(runner, rest)
    elif provider in ("", "openai") and not _OPEN_WEIGHTS.search(model):
        yield "", model  # clients of OpenAI's API are pointed at everybody's servers


def _split(model: str) -> tuple[str, str]:
    """Part an id from the provider or organisation before it."""
    for mark in "/:":
        head, found, rest = model.partition(mark)
        if found and rest and (head in NAMES or (mark == "/" and head in ORGANISATIONS)):
            return head, rest
    return "", model


def _on_bedrock(model: str) -> str:
    """Return an id without the way it is called, and with its maker, which Traceloop drops."""
    model = _BEDROCK_PATH.sub("", model, count=1) if _BEDROCK_PATH.match(model) else model
    if not _BEDROCK.match(model):
        for beginning, maker in _BEDROCK_MAKERS:
            if model.startswith(beginning):
                return f"{maker}.{model}"
    return model


def _spellings(provider: str, model: str) -> list[str]:
    """Return an id and what it may be written for, least changed first."""
    if provider == "aws":
        model = _on_bedrock(model)
    elif provider == "azure":
        model = _AZURE_PATH.sub("", model, count=1) if _AZURE_PATH.match(model) else model
    elif provider == "mistral" and model.startswith("ft:"):
        model = model.split(":")[1]  # Mistral charges fine-tunes like their base
    found = [model]
    if model.startswith("ft:") or ".ft-" in model:
        return found  # a fine-tune costs more than its base
    for pattern, put in _SHORTER:
        found += [
            shorter
            for known in tuple(found)
            if (shorter := pattern.sub(put, known)) and shorter not in found
        ]
    return found
