"""Processors of the Collector."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gateway.config.collector import advice_on_type
from gateway.config.problems import KeyPath
from gateway.migrate import ottl
from gateway.migrate.source import Report, Section, named, type_of

_LEAVE_OUT = {
    "groupbytrace": "traces are kept together by the engine; tail_sampling gathers them",
    "k8sattributes": "let a Collector on the node add them, or the SDK by the downward API",
    "k8s_attributes": "let a Collector on the node add them, or the SDK by the downward API",
    "resourcedetection": "let the SDK's resource detectors add them",
    "resource_detection": "let the SDK's resource detectors add them",
    "span": "write a statement of transform: set or compute name and status",
    "groupbyattrs": "MLflow does not group by resource; remove it",
    "metricstransform": "only traces are taken",
    "cumulativetodelta": "only traces are taken",
}


class Migrated:
    """The processors that were found."""

    def __init__(self) -> None:
        self.settings: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}
        """Ids there to ids here."""
        self.batches: dict[str, Section] = {}
        """Batch processors by id: what they say belongs to exporters."""


def migrate(given: Mapping[str, Any], report: Report) -> Migrated:
    """Return the processors; those that have no counterpart are noted."""
    found = Migrated()
    for processor_id, settings in given.items():
        path = ("processors", processor_id)
        section = Section(settings, path, report)
        kind = type_of(processor_id)
        if kind in ("batch", "queuebatch"):
            found.batches[processor_id] = section
        elif kind in _KINDS:
            component_type, ours = _KINDS[kind](section)
            section.finish()
            new_id = named(component_type, processor_id)
            found.settings[new_id] = ours
            found.names[processor_id] = new_id
        else:
            hint = _LEAVE_OUT.get(kind) or advice_on_type("processors", kind)
            report.note(
                path, f"no counterpart: {hint or 'write a plugin (spangate new processor NAME)'}"
            )
    return found


def _same(component_type: str) -> Callable[[Section], tuple[str, dict[str, Any]]]:
    """Return what takes every setting as it is; our own checks find what is wrong with it."""

    def take(section: Section) -> tuple[str, dict[str, Any]]:
        return component_type, {key: section.take(key) for key in section}

    return take


def _sampler(section: Section) -> tuple[str, dict[str, Any]]:
    ours: dict[str, Any] = {"mode": "hash_seed"}  # the Collector's default, ours is proportional
    for key in ("attribute_source", "from_attribute", "sampling_priority"):
        section.note(key, "it is for logs")
    ours |= {key: section.take(key) for key in section}
    return "probabilistic_sampler", ours


def _filter(section: Section) -> tuple[str, dict[str, Any]]:
    ours: dict[str, Any] = {}
    section.move(ours, "error_mode", "spans")
    for signal in ("metrics", "logs", "profiles"):
        section.note(signal, "only traces are taken")
    traces = section.section("traces")
    dropped: dict[str, Any] = {}
    for level in ("resource", "span", "spanevent"):
        if conditions := _conditions(traces, level):
            dropped[level] = conditions
    traces.finish()
    if dropped:
        ours["traces"] = dropped
    if conditions := _conditions(section, "trace_conditions"):
        ours["trace_conditions"] = conditions
    return "filter", ours


def _conditions(section: Section, key: str) -> list[str]:
    given = section.take(key) or []
    path = (*section.path, key)
    found: list[str] = []
    for at, text in enumerate(given):
        try:
            found.append(ottl.condition(str(text)))
        except ottl.UnsupportedError as error:
            section.report.note((*path, at), f"left out, {error}: {text}")
    return found


def _transform(section: Section) -> tuple[str, dict[str, Any]]:
    ours: dict[str, Any] = {}
    section.move(ours, "error_mode")
    for signal in ("metric", "log", "profile"):
        section.note(f"{signal}_statements", "only traces are taken")
    ours["statements"] = []
    path = (*section.path, "trace_statements")
    for at, given in enumerate(section.take("trace_statements") or []):
        if isinstance(given, Mapping):
            ours["statements"] += _group(Section(given, (*path, at), section.report))
        else:
            ours["statements"] += _statements([given], "span", [], Place(path, at, section.report))
    return "transform", ours


class Place(NamedTuple):
    """Where statements stand: the list, and the position of the first of them."""

    path: KeyPath
    first: int
    report: Report


def _group(group: Section) -> list[dict[str, Any]]:
    context = group.take("context") or "span"
    conditions = _conditions(group, "conditions")
    statements = group.take("statements") or []
    group.take("error_mode")
    group.finish()
    place = Place((*group.path, "statements"), 0, group.report)
    return _statements(statements, context, conditions, place)


def _statements(
    texts: list[Any], context: str, conditions: list[str], place: Place
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for at, text in enumerate(texts, place.first):
        try:
            settings, own_context = ottl.statement(str(text))
        except ottl.UnsupportedError as error:
            place.report.note((*place.path, at), f"left out, {error}: {text}")
            continue
        level = own_context or context
        if conditions:
            any_of = " || ".join(f"({one})" for one in conditions)
            when = settings.pop("when", None)
            settings = {"when": f"({any_of}) && ({when})" if when else any_of, **settings}
        found.append({"context": level, **settings} if level != "span" else settings)
    return found


def _tail_sampling(section: Section) -> tuple[str, dict[str, Any]]:
    ours = {key: section.take(key) for key in section if key != "policies"}
    policies = section.take("policies") or []
    path = (*section.path, "policies")
    ours["policies"] = [
        _policy(policy, (*path, at), section.report) for at, policy in enumerate(policies)
    ]
    return "tail_sampling", ours


_SUB_POLICIES = ("and_sub_policy", "drop_sub_policy", "composite_sub_policy")


def _policy(policy: Any, path: KeyPath, report: Report) -> Any:
    if not isinstance(policy, Mapping):
        return policy
    ours = dict(policy)
    kind = str(ours.get("type"))
    if kind == "ottl_condition":
        section = Section(ours.pop("ottl_condition", None), (*path, "ottl_condition"), report)
        block: dict[str, Any] = {}
        section.move(block, "error_mode")
        for level in ("span", "spanevent"):
            if conditions := _conditions(section, level):
                block[level] = conditions
        return {**ours, "type": "condition", "condition": block}
    block = dict(ours.get(kind) or {})
    for key in _SUB_POLICIES:
        if isinstance(block.get(key), list):
            block[key] = [
                _policy(one, (*path, kind, key, at), report) for at, one in enumerate(block[key])
            ]
    if isinstance(block.get("not_sub_policy"), Mapping):
        block["not_sub_policy"] = _policy(
            block["not_sub_policy"], (*path, kind, "not_sub_policy"), report
        )
    if kind in ours:
        ours[kind] = block
    return ours


def _redaction(section: Section) -> tuple[str, dict[str, Any]]:
    ours: dict[str, Any] = {}
    if patterns := section.take("blocked_values"):
        ours["custom"] = [
            {"name": f"blocked_{at}", "pattern": pattern} for at, pattern in enumerate(patterns, 1)
        ]
    if allowed := section.take("allowed_values"):
        ours["allow_values"] = list(allowed)
    if ignored := section.take("ignored_keys"):
        ours["keys"] = {"allow": list(ignored)}
    if not section.take("allow_all_keys"):
        keys = section.take("allowed_keys")
        section.report.note(
            section.path,
            "attributes are not removed by name here; a statement of transform does: "
            f"keep: {list(keys) if keys else '[]'}",
        )
    else:
        section.take("allowed_keys")
    section.note("blocked_key_patterns", "write names or globs under keys.block")
    section.note("ignored_key_patterns", "write globs under keys.allow")
    section.note("hash_function", "write operators: {default: {method: hmac}}")
    for key in ("hmac_key", "summary", "redact_all_types"):
        section.take(key)
    for key in ("url_sanitizer", "db_sanitizer"):
        section.note(key, "what our rules recognise is found in URLs and queries too")
    return "redaction", ours


def _normalizer(section: Section) -> tuple[str, dict[str, Any]]:
    for key in section:
        section.take(key)
    return "mlflow_mapping", {}


_KINDS: dict[str, Callable[[Section], tuple[str, dict[str, Any]]]] = {
    "attributes": _same("attributes"),
    "filter": _filter,
    "gen_ai_normalizer": _normalizer,
    "memory_limiter": _same("memory_limiter"),
    "probabilistic_sampler": _sampler,
    "redaction": _redaction,
    "resource": _same("resource"),
    "tail_sampling": _tail_sampling,
    "transform": _transform,
}
