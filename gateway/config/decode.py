"""
Turn a tree into typed settings and find every mistake in it, not just the first.

msgspec describes the types; the walking is ours, since msgspec stops at the first mistake and
knows no places.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import inspect as mi

from gateway.config import collector
from gateway.config.kinds import (
    SEQUENCES,
    holds_secret,
    is_exactly,
    is_nothing,
    same_shape,
    takes_nothing,
)
from gateway.config.problems import KeyPath, Problems
from gateway.config.scalars import Unfit, type_scalar
from gateway.config.tree import Node, describe, locate
from gateway.config.words import expected, list_hint, nearest, out_of_bounds, scalar_hint, shape
from gateway.guard import FaultError, attempt

FAILED: Any = object()
"""Stands for a value that could not be decoded; the reason is among the problems."""

_SETTING = re.compile(r"(\w+)(?:\.\w+|\[\d+\])*")
_KEY = re.compile(r"(\w+)|\[(\d+)\]")


class Decoder:
    """Decode parts of one tree; problems are placed by looking their path up in it."""

    def __init__(self, root: Node, problems: Problems) -> None:
        self._root = root
        self._problems = problems

    def decode(self, node: Node, kind: Any, path: KeyPath = ()) -> Any:
        """Return the value typed as ``kind``, or ``FAILED`` with reasons among the problems."""
        return self.decode_as(node, mi.type_info(kind), path)

    def report(self, path: KeyPath, message: str, hint: str = "") -> Any:
        """Note a problem at a path; returns ``FAILED``."""
        self._problems.add(locate(self._root, path), path, message, hint)
        return FAILED

    def decode_as(self, node: Node, kind: mi.Type, path: KeyPath) -> Any:
        """Return the value typed as msgspec describes the type, or ``FAILED``."""
        if node.broken:
            return FAILED
        if isinstance(kind, mi.Metadata):
            return self.decode_as(node, kind.type, path)
        if isinstance(kind, mi.UnionType):
            return self._union(node, kind, path)
        if isinstance(kind, mi.StructType):
            return self._struct(node, kind, path)
        if isinstance(kind, mi.DictType):
            return self._dict(node, kind, path)
        if isinstance(kind, mi.TupleType):
            return self._tuple(node, kind, path)
        if type(kind) in SEQUENCES:
            return self._sequence(node, kind, path)
        return self._leaf(node, kind, path)

    # --- structures

    def _struct(self, node: Node, kind: mi.StructType, path: KeyPath) -> Any:
        given = self._entries(node, path)
        if given is None:
            return FAILED
        fields = {field.encode_name: field for field in kind.fields}
        known = [*fields, *([kind.tag_field] if kind.tag_field else [])]
        unknown = [key for key in given if key not in known]
        for key in unknown:
            self.unknown_key((*path, key), known)
        values: dict[str, Any] = {}
        failed: list[str] = []
        for name, field in fields.items():
            value = self._field(given.get(name), field, (*path, name))
            if value is FAILED:
                failed.append(name)
            elif value is not msgspec.UNSET:
                values[field.name] = value
        if any(fields[name].required for name in failed):
            return FAILED
        made = self._build(kind.cls, values, list(fields), failed, path)
        return FAILED if failed or unknown else made

    def _field(self, node: Node | None, field: mi.Field, path: KeyPath) -> Any:
        if node is None or (is_nothing(node) and not takes_nothing(field.type)):
            if not field.required:
                return msgspec.UNSET
            found = "it is missing" if node is None else "found nothing"
            return self.report(path, f"expected {expected(field.type)}, {found}")
        return self.decode_as(node, field.type, path)

    def _build(
        self,
        cls: type[Any],
        values: dict[str, Any],
        names: Sequence[str],
        failed: Sequence[str],
        path: KeyPath,
    ) -> Any:
        """Make the settings and let them check themselves, ``failed`` fields by their default."""

        def make() -> Any:
            made = cls(**values)
            validate = getattr(made, "validate", None)
            if callable(validate):
                validate()
            return made

        try:
            return attempt(make, promised=(ValueError,))
        except ValueError as error:
            for message in _complaints(error):
                if not set(failed) & set(re.findall(r"\w+", message)):  # else true of defaults only
                    self._complain(path, message, names)
            return FAILED
        except FaultError as fault:
            return self.report(path, f"checking the settings of {cls.__name__} failed: {fault}")

    def _complain(self, path: KeyPath, message: str, names: Sequence[str]) -> None:
        """Report what settings say of themselves, at the setting that they name first."""
        about = _SETTING.match(message)
        if about is not None and about[1] in names:
            inner = _KEY.findall(about[0])
            path = (*path, *(int(at) if at else key for key, at in inner))
            message = message.removeprefix(f"{about[0]}: ")
        self.report(path, message)

    def unknown_key(self, path: KeyPath, known: Sequence[str]) -> None:
        """Note a key that does not exist, with what was probably meant."""
        key = str(path[-1])
        hint = collector.advice(path) or nearest(key, known, "keys")
        self.report(path, f'unknown key "{key}"', hint)

    def _dict(self, node: Node, kind: mi.DictType, path: KeyPath) -> Any:
        given = self._entries(node, path)
        if given is None:
            return FAILED
        decoded = {}
        failed = False
        for key, inside in given.items():
            name = self.decode_as(Node(key, inside.mark, text=key), kind.key_type, (*path, key))
            value = self._element(inside, kind.value_type, (*path, key))
            failed = failed or name is FAILED or value is FAILED
            if not failed:
                decoded[name] = value
        return FAILED if failed else decoded

    def _entries(self, node: Node, path: KeyPath) -> dict[str, Node] | None:
        if node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.report(path, f"expected a mapping, found {shape(node)}")
            return None
        return node.value

    def _sequence(self, node: Node, kind: Any, path: KeyPath) -> Any:
        if node.value is None:
            return SEQUENCES[type(kind)]()
        if not isinstance(node.value, list):
            return self.report(
                path, f"expected {expected(kind)}, found {shape(node)}", list_hint(node, path)
            )
        items = [
            self._element(item, kind.item_type, (*path, at)) for at, item in enumerate(node.value)
        ]
        if any(item is FAILED for item in items):
            return FAILED
        complaint = out_of_bounds(len(items), kind.min_length, kind.max_length, "entries")
        if complaint:
            return self.report(path, complaint)
        return SEQUENCES[type(kind)](items)

    def _tuple(self, node: Node, kind: mi.TupleType, path: KeyPath) -> Any:
        if not isinstance(node.value, list) or len(node.value) != len(kind.item_types):
            return self.report(path, f"expected {expected(kind)}, found {shape(node)}")
        items = [
            self._element(item, item_type, (*path, at))
            for at, (item, item_type) in enumerate(zip(node.value, kind.item_types, strict=True))
        ]
        return FAILED if any(item is FAILED for item in items) else tuple(items)

    def _element(self, node: Node, kind: mi.Type, path: KeyPath) -> Any:
        """Decode what has no default of its own: an item, or the value of a free key."""
        scalar = not isinstance(kind, mi.StructType | mi.DictType) and type(kind) not in SEQUENCES
        if scalar and is_nothing(node) and not node.broken and not takes_nothing(kind):
            return self.report(path, f"expected {expected(kind)}, found nothing")
        return self.decode_as(node, kind, path)

    # --- unions

    def _union(self, node: Node, kind: mi.UnionType, path: KeyPath) -> Any:
        options = [option for option in kind.types if not isinstance(option, mi.NoneType)]
        structs = [option for option in options if isinstance(option, mi.StructType)]
        if node.value is None and len(options) < len(kind.types) and not structs:
            return None
        if len(options) == 1:
            return self.decode_as(node, options[0], path)
        if isinstance(node.value, dict) and structs:
            return self.decode_as(node, self._pick(node.value, structs), path)
        exact = [option for option in options if is_exactly(node, option)]
        if len(exact) == 1:
            return self.decode_as(node, exact[0], path)
        for candidates in (exact, options):
            for option in candidates:
                value = Decoder(self._root, self._problems.trial()).decode_as(node, option, path)
                if value is not FAILED:
                    return value
        likely = [option for option in options if same_shape(node, option)]
        if len(likely) == 1:
            return self.decode_as(node, likely[0], path)
        # A text where none can stand may be a secret that was put into the wrong file.
        astray = isinstance(node.value, str) and not any(same_shape(node, o) for o in options)
        found = shape(node) if astray or holds_secret(kind) else describe(node)
        return self.report(path, f"expected {expected(kind)}, found {found}")

    @staticmethod
    def _pick(given: dict[str, Node], structs: Sequence[mi.StructType]) -> mi.StructType:
        """Return the struct that a mapping means: by its tag, else by its keys."""

        def fits(struct: mi.StructType) -> tuple[bool, int]:
            tag = given.get(struct.tag_field) if struct.tag_field else None
            names = {field.encode_name for field in struct.fields}
            return (tag is not None and tag.text == str(struct.tag), len(names & given.keys()))

        return max(structs, key=fits)

    # --- scalars

    def _leaf(self, node: Node, kind: mi.Type, path: KeyPath) -> Any:
        try:
            return type_scalar(node, kind)
        except Unfit as unfit:
            if holds_secret(kind):
                hint = "put it in quotes" if isinstance(node.value, bool) else ""
                return self.report(path, f"expected a text, found {shape(node)}", hint)
            message = str(unfit) or f"expected {expected(kind)}, found {describe(node)}"
            if node.origin:
                message = f"expected {expected(kind)}, found {describe(node)}"
            hint = collector.advice_on_value(path, node.text) or scalar_hint(node, kind)
            return self.report(path, message, hint)
        finally:
            if holds_secret(kind) and isinstance(node.text, str) and len(node.text) > 3:
                self._problems.hide(node.text)


def _complaints(error: ValueError) -> Sequence[str]:
    """Return what settings complain of; several texts as arguments are several mistakes."""
    texts = [text for text in error.args if isinstance(text, str)]
    return texts if len(texts) == len(error.args) > 1 else [str(error)]
