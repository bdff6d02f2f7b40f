"""Load a configuration: files over defaults, ``--set`` over files, every mistake in one go."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gateway.config.components import ComponentReader
from gateway.config.decode import FAILED, Decoder
from gateway.config.overrides import apply
from gateway.config.pipelines import PipelineChecker, warnings
from gateway.config.problems import ConfigError, Problem, Problems
from gateway.config.reader import Reader
from gateway.config.settings import ComponentSettings, ServiceConfig, Settings
from gateway.config.tree import Node, merge
from gateway.registry import KINDS, Kind, Registry

__all__ = ["ConfigError", "Loaded", "Problem", "load", "load_part", "read", "settle"]

T = TypeVar("T")

DEFAULT = Path(__file__).with_name("default.yaml")
DATA_DIR = "SPANGATE_DATA_DIR"
"""The variable that says where data is kept, unless the configuration does."""

_ROOT_KEYS = (*KINDS, "service")


class Loaded(NamedTuple):
    """A configuration, and the tree it was made of: the same tree makes the same settings."""

    settings: Settings
    tree: Node


def read(
    paths: Sequence[Path],
    overrides: Sequence[str] = (),
    registry: Registry | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Loaded:
    """
    Return what :func:`load` does, and what it was made of.

    Raises:
        ConfigError: every mistake found, each with its place.

    """
    problems = Problems()
    tree = _read(paths, overrides, environ, problems)
    return Loaded(_decode(tree, registry if registry is not None else Registry(), problems), tree)


def decode(text: str, base_dir: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """
    Return what a text says.

    Raises:
        ConfigError: every mistake found, each with its place.

    """
    problems = Problems()
    tree = Reader(environ, problems).read_text(text, "text", base_dir)
    problems.raise_any()
    return _decode(tree, Registry(), problems)


def settle(tree: Node) -> Settings:
    """
    Return the settings that a tree says, without looking at files or environment again.

    Raises:
        ConfigError: every mistake found, each with its place.

    """
    return _decode(tree, Registry(), Problems())


def load(
    paths: Sequence[Path],
    overrides: Sequence[str] = (),
    registry: Registry | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """
    Return what the files say together, later ones above earlier ones, ``overrides`` above all.

    Args:
        paths: YAML files; none means the built-in default.
        overrides: ``a.b.c=value``, the value being YAML.
        registry: where component types are looked up; ``None`` is the installed packages.
        environ: what ``${env:NAME}`` refers to.

    Raises:
        ConfigError: every mistake found, each with its place.

    """
    return read(paths, overrides, registry, environ).settings


def load_part(path: Path, kind: type[T], environ: Mapping[str, str] = os.environ) -> T:
    """
    Return one file of settings, such as a tenant's, typed as ``kind``.

    Raises:
        ConfigError: every mistake found, each with its place.

    """
    problems = Problems()
    root = Reader(environ, problems).read_file(path)
    problems.raise_any()
    value: T = Decoder(root, problems).decode(root, kind)
    problems.raise_any()
    return value


def _read(
    paths: Sequence[Path], overrides: Sequence[str], environ: Mapping[str, str], problems: Problems
) -> Node:
    reader = Reader(environ, problems)
    if paths:
        trees = [reader.read_file(path) for path in paths]
    else:
        text = DEFAULT.read_text(encoding="utf-8")
        trees = [reader.read_text(text, "the built-in default", Path())]
    if any(tree.broken for tree in trees):
        problems.raise_any()  # what the rest says cannot be judged without them
    root = trees[0] if isinstance(trees[0].value, dict) else Node({}, trees[0].mark)
    for tree in trees:
        if not isinstance(tree.value, dict | None):
            problems.add(tree.mark, (), f"expected a mapping of {', '.join(_ROOT_KEYS)}")
        elif tree.value is not None:
            root = merge(root, tree)
    for override in overrides:
        root = apply(root, override, reader, problems)
    return _with_data_dir(root, environ)


def _with_data_dir(root: Node, environ: Mapping[str, str]) -> Node:
    """Let the environment say where data is kept where the configuration does not."""
    assert isinstance(root.value, dict)
    service = root.value.get("service")
    given = service.value if service is not None else None
    if DATA_DIR not in environ or not isinstance(given, dict) or "data_dir" in given:
        return root
    folder = Node(environ[DATA_DIR], root.mark, text=environ[DATA_DIR])
    return merge(root, Node({"service": Node({"data_dir": folder}, root.mark)}, root.mark))


def _decode(root: Node, registry: Registry, problems: Problems) -> Settings:
    decoder = Decoder(root, problems)
    assert isinstance(root.value, dict)
    for key in root.value:
        if key not in _ROOT_KEYS:
            decoder.unknown_key((key,), _ROOT_KEYS)
    reader = ComponentReader(decoder, registry)
    found: dict[Kind, dict[str, ComponentSettings | None]] = {
        kind: reader.read(root.value.get(kind), kind) for kind in KINDS
    }
    given = root.value.get("service", Node(None, root.mark))
    service: Any = decoder.decode(given, ServiceConfig, ("service",))
    checker = PipelineChecker(decoder, found)
    checker.check(given)
    checker.check_queues(service)
    problems.raise_any()
    assert service is not FAILED
    whole: dict[Kind, dict[str, ComponentSettings]] = {
        kind: {name: one for name, one in found[kind].items() if one is not None} for kind in KINDS
    }
    return Settings(
        receivers=whole["receivers"],
        processors=whole["processors"],
        exporters=whole["exporters"],
        service=service,
        warnings=warnings(service, whole, registry),
    )
