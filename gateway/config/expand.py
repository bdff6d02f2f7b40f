"""Expand ``${env:NAME}``, ``${env:NAME:-default}`` and ``${file:PATH}`` in texts."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

MAX_FILE_BYTES = 4 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXPECTED = "expected ${env:NAME}, ${env:NAME:-default} or ${file:PATH}"
_ESCAPE = "write $$ for a dollar sign that is meant as such"


class ExpansionError(Exception):
    """An expansion cannot be done; ``hint`` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Expanded(NamedTuple):
    """A text after expansion."""

    text: str
    origin: str = ""
    """The reference whose value is in the text, such as ``${env:NAME}``; never for a default."""

    whole: bool = False
    """The text was one reference and nothing else."""

    file: Path | None = None
    """The file that the whole text is the content of."""


class Expander:
    """Expand references; files are relative to ``base_dir``."""

    def __init__(self, environ: Mapping[str, str], base_dir: Path) -> None:
        self._environ = environ
        self._base_dir = base_dir

    def expand(self, text: str) -> Expanded:
        """
        Replace every reference.

        Raises:
            ExpansionError: a variable is unset, a file cannot be read, or the notation is wrong.

        """
        parts: list[str] = []
        origin = ""
        at = 0
        while (dollar := text.find("$", at)) >= 0:
            parts.append(text[at:dollar])
            after = text[dollar + 1 : dollar + 2]
            if after != "{":
                parts.append("$")
                at = dollar + (2 if after == "$" else 1)
                continue
            end = _closing(text, dollar)
            found = self._reference(text[dollar + 2 : end])
            if dollar == 0 and end == len(text) - 1:
                return found._replace(whole=True)
            parts.append(found.text)
            origin = origin or found.origin
            at = end + 1
        return Expanded("".join([*parts, text[at:]]), origin)

    def _reference(self, inside: str) -> Expanded:
        scheme, colon, rest = inside.partition(":")
        if scheme == "env" and colon:
            return self._variable(rest)
        if scheme == "file" and colon:
            return self._file(self.expand(rest).text)
        if _NAME.fullmatch(scheme) and (not colon or rest.startswith("-")):
            return self._variable(inside)
        found = f"${{{scheme}:...}}" if colon and scheme.isalpha() else "something else in ${...}"
        raise ExpansionError(f"{_EXPECTED}, found {found}", _ESCAPE)

    def _variable(self, inside: str) -> Expanded:
        name, separator, default = inside.partition(":-")
        if not _NAME.fullmatch(name):
            raise ExpansionError(
                f'"{name}" is no name of an environment variable; {_EXPECTED}', _ESCAPE
            )
        if name in self._environ:
            return Expanded(self._environ[name], f"${{env:{name}}}")
        if separator:
            return self.expand(default)._replace(whole=False)
        raise ExpansionError(
            f"the environment variable {name} is not set",
            f"set it, or give a default: ${{env:{name}:-default}}",
        )

    def _file(self, name: str) -> Expanded:
        path = self._base_dir / name
        hint = "paths are relative to the file that names them"
        try:
            if not path.is_file():
                raise ExpansionError(f"there is no file {path}", hint)
            if path.stat().st_size > MAX_FILE_BYTES:
                raise ExpansionError(f"{path} is larger than {MAX_FILE_BYTES} bytes", hint)
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ExpansionError(f"cannot read {path}: {error.strerror}", hint) from error
        except UnicodeDecodeError as error:
            raise ExpansionError(f"{path} is not UTF-8 text", "save it as UTF-8") from error
        except ValueError as error:  # a NUL in the name
            raise ExpansionError(f"cannot read a file of that name: {error}", hint) from error
        return Expanded(text.rstrip("\r\n"), f"${{file:{name}}}", file=path)


def _closing(text: str, dollar: int) -> int:
    """Return the position of the brace that closes the one after ``dollar``."""
    depth = 0
    at = dollar
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
            at += 2
            continue
        if text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise ExpansionError(f"${{ without its closing brace; {_EXPECTED}", _ESCAPE)
