"""Write new plugin projects from the files beside this module."""

import keyword
import re
import sys
from pathlib import Path

from gateway.registry import KINDS, Kind, Registry

_TEMPLATES = Path(__file__).parent
_TAKEN = {"gateway", "processors", "exporters", "tests", "test", "site"}
_ENDING = ".txt"
"""Template files end in this, so that no tool takes them for code."""


class NameProblem(ValueError):  # noqa: N818 - it is about a name, and no fault of the program
    """A project cannot be called so; the message says what would do."""


def check_name(name: str, kind: Kind, registry: Registry) -> str:
    """
    Return the module name of a project.

    Raises:
        NameProblem: it would be no module, or hide another.

    """
    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", module):
        raise NameProblem(
            f'"{name}" is no component type: expected lower-case letters, digits and underlines, '
            f"beginning with a letter, such as {_proposed(name)}"
        )
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in _TAKEN:
        raise NameProblem(
            f'"{name}" is the name of a Python word or module; choose another, such as my_{module}'
        )
    for each in KINDS:
        if module in registry.types(each) and each == kind:
            raise NameProblem(
                f'there is a {each[:-1]} of the type "{module}" already; choose another name, such '
                f"as my_{module}"
            )
    return module


def write_project(what: str, kind: Kind, module: str, folder: Path) -> list[Path]:
    """
    Write a project into a folder and return its files, relative to it.

    Args:
        what: the folder of templates: ``processor``, ``trace_processor``, ``exporter`` or
            ``receiver``.
        kind: what it is to the registry.
        module: name of module and component type.
        folder: where to.

    Raises:
        FileExistsError: there is something of that name.
        OSError: it cannot be written.

    """
    words = {
        "{{module}}": module,
        "{{Class}}": "".join(word.capitalize() for word in module.split("_")),
        "{{kind}}": what.replace("_", " "),
        "{{group}}": kind,
        "{{distribution}}": f"spangate-{module.replace('_', '-').strip('-')}",
    }
    folder.mkdir(parents=False)
    templates = {
        template.relative_to(source): template
        for source in (_TEMPLATES / "common", _TEMPLATES / what)
        for template in source.rglob(f"*{_ENDING}")
    }
    written = []
    for place, template in sorted(templates.items()):
        name = str(place).removesuffix(_ENDING).replace("MODULE", module)
        text = template.read_text(encoding="utf-8")
        for mark, word in words.items():
            text = text.replace(mark, word)
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        written.append(Path(name))
    return written


def _proposed(name: str) -> str:
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+", name)
    proposed = "_".join(words).lower().lstrip("0123456789_")
    return proposed or "team_tag"
