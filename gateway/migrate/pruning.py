"""Take out what our own checks refuse, until the rest is a valid configuration."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from gateway.config.loader import decode
from gateway.config.problems import ConfigError, KeyPath, Problem
from gateway.migrate.source import MigrationError, Report

_ROUNDS = 100
_INDEX = re.compile(r"\[(\d+)\]")


class _Anything(Mapping[str, str]):
    """An environment in which every variable is set, since it is not this machine's."""

    def __getitem__(self, key: str) -> str:
        return "1"

    def __contains__(self, key: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def prune(config: dict[str, Any], names: Mapping[str, str], report: Report) -> None:
    """
    Remove in place what the configuration's checks refuse, and note each.

    Args:
        config: what was made so far.
        names: ids of components here to those there, as ``kind.id``.
        report: takes the notes.

    Raises:
        MigrationError: what is left is still refused.

    """
    problems = _problems(config)
    for _ in range(_ROUNDS):
        if not problems:
            return
        if not any(_remove(config, problem, names, report) for problem in problems):
            break
        problems = _problems(config)
    raise MigrationError("\n".join(map(str, problems)))


def _problems(config: dict[str, Any]) -> list[Problem]:
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    try:
        decode(text, Path(), _Anything())
    except ConfigError as error:
        return [problem for problem in error.problems if not _refers(config, problem)]
    return []


def _refers(config: Any, problem: Problem) -> bool:
    """Whether a problem is with a value from elsewhere, which nobody can judge here."""
    value = config
    for key in _path(config, problem.path):
        value = value[key]
    return "${" in str(value) if isinstance(value, str) else "endpoint" in problem.message


def _remove(
    config: dict[str, Any], problem: Problem, names: Mapping[str, str], report: Report
) -> bool:
    path = _whole(_path(config, problem.path))
    if path[:2] == ("service", "pipelines") and path[3:] in (("receivers",), ("exporters",)):
        path = path[:3]  # nothing of what it receives from or sends to is left
    elif len(path) < (4 if path[:1] == ("service",) else 2):
        return False  # too much would go with it
    hint = f"; {problem.hint}" if problem.hint else ""
    report.note(_origin(path, names), f"left out: {problem.message}{hint}")
    parent: Any = config
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    return True


def _whole(path: KeyPath) -> KeyPath:
    """Return the item of a list that a setting is in: without a part of it, it means another."""
    at = next((at for at, key in enumerate(path) if isinstance(key, int)), None)
    return path if at is None else path[: at + 1]


def _path(config: Any, text: str) -> KeyPath:
    """Return the keys that a problem's path goes through, as far as they are there."""
    path: list[str | int] = []
    here = config
    while text:
        if isinstance(here, list) and (index := _INDEX.match(text)):
            at = int(index[1])
            if at >= len(here):
                break
            path.append(at)
            here, text = here[at], text[index.end() :].removeprefix(".")
            continue
        if not isinstance(here, dict):
            break
        keys = [key for key in here if re.match(re.escape(str(key)) + r"(?=[.\[]|$)", text)]
        if not keys:
            break
        key = max(keys, key=len)
        path.append(key)
        here, text = here[key], text[len(key) :].removeprefix(".")
    return tuple(path)


def _origin(path: KeyPath, names: Mapping[str, str]) -> KeyPath:
    """Return where a setting stood before components got other ids."""
    kind, component_id, *rest = path
    before = names.get(f"{kind}.{component_id}")
    return (kind, before, *rest) if before is not None else path
