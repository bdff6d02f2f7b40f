"""What every page promises: configurations load, commands exist, links lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
import yaml

from gateway.cli import COMMANDS, load_command
from gateway.config.loader import DEFAULT, load
from gateway.registry import KINDS

HOME = Path(__file__).parents[2]
PAGES = sorted([
    *HOME.glob("*.md"), *HOME.glob("docs/**/*.md"), *HOME.glob("examples/**/*.md"),
    *HOME.glob("helm/*.md"),
])  # fmt: skip
_FENCED = re.compile(r"^( *)```(\w+)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!https?:|mailto:)([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_OTHERS = ("# values.yaml", "# A Collector", "# collector.yaml")
"""How blocks begin that hold something else than our configuration; other tests read them."""


_RUN_ELSEWHERE = ("docs/plugins.md",)
"""Pages of which every block is run, line by line, by a test of their own."""


class Block(NamedTuple):
    """A block of code on a page."""

    page: str
    line: int
    language: str
    text: str


class Environment(dict[str, str]):
    """Every variable is set, since a page may name any."""

    def __missing__(self, key: str) -> str:
        return "http://127.0.0.1:1" if key.endswith(("URI", "URL", "ENDPOINT")) else "not-a-secret"

    def __contains__(self, key: object) -> bool:
        return key != "SPANGATE_DATA_DIR"


def blocks() -> Iterator[Block]:
    """Yield every block of every page."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for found in _FENCED.finditer(text):
            indent, language, body = found.groups()
            line = text.count("\n", 0, found.start()) + 1
            body = "".join(one.removeprefix(indent) for one in body.splitlines(keepends=True))
            yield Block(str(page.relative_to(HOME)), line, language, body)


def configurations() -> Iterator[Block]:
    """Yield the blocks that are our configuration, or a part of it."""
    for block in blocks():
        if block.page in _RUN_ELSEWHERE or block.text.startswith(_OTHERS):
            continue
        if block.language == "yaml":
            keys = yaml.safe_load(block.text)
            if isinstance(keys, dict) and {*KINDS, "service"} & keys.keys():
                yield block


def commands() -> Iterator[tuple[Block, str]]:
    """Yield every line that calls ``spangate``, continued lines joined."""
    for block in blocks():
        if block.language in ("bash", "sh", "console"):
            for line in block.text.replace("\\\n", " ").splitlines():
                for part in re.split(r"&&|\|\||;|\s\|\s", line.split("  #")[0]):
                    if found := re.match(r"(?:\w+=\S+ )*spangate (\S.*)$", part.strip()):
                        yield block, found[1]


def place(block: Block) -> str:
    return f"{block.page}:{block.line}"


@pytest.mark.parametrize("block", list(configurations()), ids=place)
def test_configurations_load(block: Block, tmp_path: Path) -> None:
    """Each loads by itself, or over the built-in default where it is a part."""
    path = tmp_path / "gateway.yaml"
    path.write_text(block.text)
    lay_out_files(block, tmp_path)
    is_whole = {*KINDS, "service"} <= yaml.safe_load(block.text).keys()
    load([path] if is_whole else [DEFAULT, path], environ=Environment())


def lay_out_files(block: Block, folder: Path) -> None:
    """Make the files that a configuration names: those that its page shows, and stand-ins."""
    for other in blocks():
        named = re.match(r"# (\w+\.yaml)\n", other.text)
        if named and other.page == block.page:
            (folder / named[1]).write_text(other.text)
    for name in re.findall(r"\$\{file:([^}/][^}]*)\}", block.text):
        (folder / name).write_text("not-a-secret")


@pytest.mark.parametrize(
    ("block", "call"),
    list(commands()),
    ids=lambda one: place(one) if isinstance(one, Block) else "",
)
def test_commands_exist(block: Block, call: str) -> None:
    """Each command and each of its options is one of ours."""
    del block
    words = [word for word in shlex.split(call, comments=True) if word not in (">", "2>")]
    name, *rest = words
    if name.startswith("-"):
        return
    assert name in COMMANDS
    command = load_command(name)
    while isinstance(command, typer.core.TyperGroup) and rest:
        name, *rest = rest
        if name.startswith("-"):
            return
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
    known |= {option for parameter in command.params for option in parameter.secondary_opts}
    given = {word.partition("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)}
    assert set() == given - known


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page as GitHub makes them."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCED.sub("", page.read_text("utf-8"))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        while anchor in found:
            anchor += "-1"
        found.add(anchor)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOME)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link is a file of the repository, each anchor a heading there."""
    wrong = []
    for link in _LINK.findall(_FENCED.sub("", page.read_text("utf-8"))):
        target, _, anchor = link.partition("#")
        to = (page.parent / target).resolve() if target else page
        if not to.exists() or (anchor and to.suffix == ".md" and anchor not in anchors(to)):
            wrong.append(link)
    assert [] == wrong


def test_every_page_can_be_found() -> None:
    """The index of the documentation leads to every page, by one step or two."""
    index = HOME / "docs" / "README.md"
    seen: set[Path] = set()
    waiting = [index, HOME / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        for link in _LINK.findall(page.read_text("utf-8")):
            target = (page.parent / link.partition("#")[0]).resolve()
            waiting += target.glob("*.md") if target.is_dir() else [target]
    assert set() == set(HOME.glob("docs/**/*.md")) - seen
