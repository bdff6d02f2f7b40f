"""Read YAML into a tree that remembers its places, with references expanded."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml
from yaml.constructor import SafeConstructor

from gateway.config.expand import MAX_FILE_BYTES, Expanded, Expander, ExpansionError
from gateway.config.problems import KeyPath, Mark, Problems
from gateway.config.tree import Node

MAX_NODES = 200_000
MAX_DEPTH = 60
_MAX_FILES_DEEP = 8
_TAG = "tag:yaml.org,2002:"
_EXPONENT = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)[eE][-+]?\d+")
_NO_TAGS = "this YAML tag is not supported"  # unnamed: it may be a secret without quotes
_QUOTE = "a text that begins with a sign such as ! * & % @ stands in quotes"
_UNQUOTED = re.compile(r"\b(alias|anchor|tag handle|tag|directive name) '[^']*'")
_TOO_MUCH = "the YAML is nested too deeply or its aliases repeat too much"


class _TooMuch(Exception):  # noqa: N818 - ends the reading of one text
    """The tree would grow beyond its bounds."""


class Reader:
    """Read texts; what is wrong with them goes to ``problems``."""

    def __init__(self, environ: Mapping[str, str], problems: Problems) -> None:
        self._environ = environ
        self._problems = problems

    def read_file(self, path: Path) -> Node:
        """Read a file; a broken node where it cannot be read."""
        mark = Mark(str(path), 0, path.parent)
        try:
            with path.open("rb") as file:
                text = file.read(MAX_FILE_BYTES + 1).decode("utf-8-sig")
        except OSError as error:
            self._problems.add(mark, (), f"cannot read the file: {error.strerror}")
        except UnicodeDecodeError:
            self._problems.add(mark, (), "the file is not UTF-8 text", "save it as UTF-8")
        except ValueError as error:  # a NUL in the name
            self._problems.add(mark, (), f"cannot read the file: {error}")
        else:
            if len(text) <= MAX_FILE_BYTES:
                return self.read_text(text, str(path), path.parent)
            self._problems.add(mark, (), f"the file is larger than {MAX_FILE_BYTES} bytes")
        return Node(None, mark, broken=True)

    def read_text(self, text: str, source: str, base_dir: Path, *, lines: bool = True) -> Node:
        """Read a text; ``lines`` says whether its lines mean something to a person."""
        return _Text(self._environ, self._problems, source, base_dir, lines=lines).read(text)


class _Text:
    """The reading of one text."""

    def __init__(
        self,
        environ: Mapping[str, str],
        problems: Problems,
        source: str,
        base_dir: Path,
        *,
        lines: bool = True,
        files_deep: int = 0,
    ) -> None:
        self._environ = environ
        self._problems = problems
        self._source = source
        self._base_dir = base_dir
        self._lines = lines
        self._files_deep = files_deep
        self._expander = Expander(environ, base_dir)
        self._constructor = SafeConstructor()
        self._count = 0

    def read(self, text: str) -> Node:
        mark = Mark(self._source, 1 if self._lines else 0, self._base_dir)
        try:
            composed = _compose(text)
            if composed is None:
                return Node(None, mark)
            return self._construct(composed, (), self._mark(composed), 0)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            mark = mark._replace(line=line if self._lines else 0)
            what = _UNQUOTED.sub(r"\1", ", ".join(filter(None, (error.context, error.problem))))
            self._problems.add(mark, (), f"not valid YAML: {what}", _syntax_hint(text, line))
        except yaml.YAMLError as error:
            self._problems.add(mark, (), f"not valid YAML: {_first_line(error)}")
        except (RecursionError, _TooMuch):
            self._problems.add(mark, (), _TOO_MUCH)
        except (ValueError, OverflowError) as error:  # escapes beyond Unicode
            self._problems.add(mark, (), f"not valid YAML: {_first_line(error)}")
        return Node(None, mark, broken=True)

    def _mark(self, node: yaml.Node) -> Mark:
        line = node.start_mark.line + 1 if self._lines else 0
        return Mark(self._source, line, self._base_dir)

    def _construct(
        self, node: yaml.Node, path: KeyPath, mark: Mark, depth: int, *, expand: bool = True
    ) -> Node:
        self._count += 1
        if self._count > MAX_NODES or depth > MAX_DEPTH:
            raise _TooMuch
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path, mark, depth, expand=expand)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            items = [
                self._construct(item, (*path, at), self._mark(item), depth + 1, expand=expand)
                for at, item in enumerate(node.value)
            ]
            return Node(items, mark)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return Node(self._mapping(node, path, depth, expand=expand), mark)
        return self._broken(mark, path, _NO_TAGS, _QUOTE)

    def _mapping(
        self, node: yaml.MappingNode, path: KeyPath, depth: int, *, expand: bool
    ) -> dict[str, Node]:
        own: dict[str, Node] = {}
        inherited: dict[str, Node] = {}
        for key_node, value_node in node.value:
            mark = self._mark(key_node)
            if key_node.tag == _TAG + "merge":
                for source in self._merge_sources(value_node, path, mark):
                    entries = self._mapping(source, path, depth + 1, expand=expand)
                    inherited = {**entries, **inherited}
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.add(mark, path, "a key must be a text, found a list or mapping")
                continue
            key = key_node.value
            self._check_unicode(key)
            if key in own:
                first = own[key].mark.line
                where = f", first on line {first}" if first else ""
                self._problems.add(
                    mark, (*path, key), f"the key stands twice{where}", "remove one of the two"
                )
            own[key] = self._construct(value_node, (*path, key), mark, depth + 1, expand=expand)
        return {**inherited, **own}

    def _merge_sources(
        self, node: yaml.Node, path: KeyPath, mark: Mark
    ) -> Iterator[yaml.MappingNode]:
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            self._count += 1
            if self._count > MAX_NODES:
                raise _TooMuch
            if isinstance(source, yaml.MappingNode):
                yield source
            else:
                self._problems.add(mark, path, "<< takes a mapping or a list of mappings")

    def _scalar(
        self, node: yaml.ScalarNode, path: KeyPath, mark: Mark, depth: int, *, expand: bool
    ) -> Node:
        text = node.value
        self._check_unicode(text)
        if not expand or "$" not in text:
            return self._typed(node, mark, path)
        try:
            found = self._expander.expand(text)
        except ExpansionError as error:
            return self._broken(mark, path, str(error), error.hint)
        self._check_unicode(found.text)
        if found.whole:
            return self._retyped(found, path, mark, depth)
        return Node(found.text, mark, text=found.text, origin=found.origin)

    def _typed(self, node: yaml.ScalarNode, mark: Mark, path: KeyPath) -> Node:
        text: str = node.value
        value: str | int | float | bool | None = text
        match node.tag.removeprefix(_TAG):
            case "null":
                value = None
            case "bool" | "int" | "float" as kind:
                construct = getattr(self._constructor, f"construct_yaml_{kind}")
                try:
                    value = construct(node)
                except (ValueError, OverflowError, KeyError, IndexError):
                    value = text
            case "str" if node.style is None and _EXPONENT.fullmatch(text):
                value = float(text)
            case "str" | "timestamp" | "value" | "merge":
                pass
            case _:
                return self._broken(mark, path, _NO_TAGS, _QUOTE)
        return Node(value, mark, text=text)

    def _retyped(self, found: Expanded, path: KeyPath, mark: Mark, depth: int) -> Node:
        """Let YAML say what a value from elsewhere is; fields for texts take it as it is."""
        if found.file is not None and (inside := self._from_file(found, mark)) is not None:
            return inside
        try:
            composed = _compose(found.text)
            if composed is None:
                node = Node(None, mark)
            elif isinstance(composed, yaml.ScalarNode):
                node = self._typed(composed, mark, path)
            else:
                node = self._construct(composed, path, mark, depth, expand=False)
        except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
            node = Node(found.text, mark)
        node.text, node.origin, node.mark = found.text, found.origin, mark
        return node

    def _from_file(self, found: Expanded, mark: Mark) -> Node | None:
        """Read a file that holds a mapping as a part of the configuration, with its own places."""
        assert found.file is not None
        if not _is_mapping(found.text):
            return None
        if self._files_deep >= _MAX_FILES_DEEP:
            return self._broken(mark, (), "files name each other too deeply", "look for a circle")
        reader = _Text(
            self._environ,
            self._problems,
            str(found.file),
            found.file.parent,
            files_deep=self._files_deep + 1,
        )
        node = reader.read(found.text)
        node.text, node.origin = found.text, found.origin
        return node

    def _broken(self, mark: Mark, path: KeyPath, message: str, hint: str = "") -> Node:
        self._problems.add(mark, path, message, hint)
        return Node(None, mark, broken=True)

    @staticmethod
    def _check_unicode(text: str) -> None:
        text.encode()  # a lone surrogate, written as an escape, is a ValueError


def _compose(text: str) -> yaml.Node | None:
    loader = yaml.SafeLoader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
    finally:
        loader.dispose()
    return node


def _is_mapping(text: str) -> bool:
    try:
        return isinstance(_compose(text), yaml.MappingNode)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return False


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _syntax_hint(text: str, line: int) -> str:
    lines = text.splitlines()
    around = lines[line - 1] if line <= len(lines) else ""
    if "${" in around:
        return 'inside [...] and {...} a reference stands in quotes: ["${env:NAME}"]'
    if "\t" in around:
        return "indent with spaces, not with tabs"
    if re.search(r"[:\-,\[]\s+[*&!%@`]", around):
        return _QUOTE
    return ""
