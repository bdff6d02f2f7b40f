"""What reading YAML promises: places, references, and bounds that nothing breaks."""

import textwrap
from pathlib import Path

import pytest

from gateway.config.problems import ConfigError, Problem, Problems
from gateway.config.reader import Reader
from gateway.config.tree import Node


def read(text: str, folder: Path = Path(), **environ: str) -> Node:
    """Read a text that has nothing wrong with it."""
    problems = Problems()
    node = Reader(environ, problems).read_text(textwrap.dedent(text), "a.yaml", folder)
    problems.raise_any()
    return node


def plain(node: Node) -> object:
    """Return a tree without places."""
    if isinstance(node.value, dict):
        return {key: plain(inside) for key, inside in node.value.items()}
    if isinstance(node.value, list):
        return [plain(inside) for inside in node.value]
    return node.value


def wrong(text: str, folder: Path = Path(), **environ: str) -> Problem:
    """Return the one problem of a text."""
    with pytest.raises(ConfigError) as caught:
        read(text, folder, **environ)
    [problem] = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("off", False),
        ("'yes'", "yes"),
        ("0x1F", 31),
        ("1_000", 1000),
        ("1e-3", 0.001),
        ("~", None),
        ("", None),
        ("2026-01-31", "2026-01-31"),
        ("!!str 5", "5"),
        ("0b2", "0b2"),
        ("9" * 5000, "9" * 5000),
        ("=", "="),
        ("a $5 bill", "a $5 bill"),
    ],
)
def test_reads_scalars_as_yaml_1_1(text: str, value: object) -> None:
    """Scalars mean what PyYAML's safe loader makes of them, dates excepted."""
    assert value == plain(read(text))


def test_every_value_knows_its_line() -> None:
    """A key's value is found at the key, an item at itself."""
    node = read("""\
        a: 1
        b:
          c: [x,
              y]
    """)

    assert isinstance(node.value, dict)
    inner = node.value["b"].value
    assert isinstance(inner, dict)
    items = inner["c"].value
    assert isinstance(items, list)
    assert [2, 3, 4] == [node.value["b"].mark.line, inner["c"].mark.line, items[1].mark.line]


def test_anchors_and_merge_keys_work() -> None:
    """An alias repeats its anchor; ``<<`` is overridden by keys of the mapping's own."""
    node = read("""
        base: &base {a: 1, b: 2}
        one: {<<: *base, b: 3}
        two: {<<: [{a: 9}, *base]}
        three: *base
    """)

    assert {
        "base": {"a": 1, "b": 2},
        "one": {"a": 1, "b": 3},
        "two": {"a": 9, "b": 2},
        "three": {"a": 1, "b": 2},
    } == plain(node)


def test_a_key_is_a_text() -> None:
    """Numbers and words that YAML knows are keys like any other."""
    assert {"1": "a", "on": "b", "null": "c"} == plain(read("1: a\non: b\nnull: c"))


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("a: 1\na: 2", "a.yaml:2", "the key stands twice, first on line 1"),
        ("a: [1", "a.yaml:1", "not valid YAML"),
        ("a:\n\t- b", "a.yaml:2", "cannot start any token"),
        ("a: b: c", "a.yaml:1", "mapping values are not allowed here"),
        ("a: *nowhere", "a.yaml:1", "found undefined alias"),
        ("a: 1\n---\nb: 2", "a.yaml:2", "but found another document"),
        ("a: !!binary abcd", "a.yaml:1", "this YAML tag is not supported"),
        ("a: !!set {x}", "a.yaml:1", "this YAML tag is not supported"),
        ("a: !python/name:os.system x", "a.yaml:1", "this YAML tag is not supported"),
        ("? [a]\n: b", "a.yaml:1", "a key must be a text"),
        ("a: &a [*a]", "a.yaml:1", "nested too deeply"),
        ("a: &a {<<: *a}", "a.yaml:1", "nested too deeply"),
        ("a: {<<: 5}", "a.yaml:1", "<< takes a mapping"),
        ("[" * 5000, "a.yaml:1", "nested too deeply"),
        ('a: "\\uD800"', "a.yaml:1", "not valid YAML"),
        ('a: "\\UFFFFFFFF"', "a.yaml:1", "not valid YAML"),
        ("a: \x07", "a.yaml:1", "special characters are not allowed"),
    ],
)
def test_says_what_is_wrong_with_the_yaml(text: str, where: str, message: str) -> None:
    """A text that is no usable YAML is a problem with its line, whatever is wrong."""
    problem = wrong(text)

    assert where == problem.where
    assert message in problem.message


def test_aliases_cannot_fill_the_memory() -> None:
    """Aliases of aliases that stand for billions of values are refused at once."""
    levels = [f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(9)]

    assert "aliases repeat too much" in wrong("\n".join(["a0: &a0 lol", *levels])).message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${env:N}", 5),
        ('"${env:N}"', 5),
        ("${N}", 5),
        ("x${env:N}y", "x5y"),
        ("${env:NONE:-7}", 7),
        ("${env:NONE:-}", None),
        ("${env:NONE:-a:-b}", "a:-b"),
        ("${env:NONE:-http://h:1/x}", "http://h:1/x"),
        ("${env:NONE:-${env:N}}", 5),
        ("${env:NONE:-${env:NONE:-deep}}", "deep"),
        ("${env:EMPTY:-7}", None),
        ("$$", "$"),
        ("$${env:N}", "${env:N}"),
        ("a$$b$c", "a$b$c"),
        ("${env:B}", True),
        ("${env:LIST}", ["a", 1]),
        ("${env:ODD}", "a: b: c"),
        ("${env:REF}", "${env:N}"),
    ],
)
def test_expands_variables(text: str, value: object) -> None:
    """A whole reference is typed as by YAML, inside a text it is text; none is expanded twice."""
    variables = {
        "N": "5",
        "EMPTY": "",
        "B": "true",
        "LIST": "[a, 1]",
        "ODD": "a: b: c",
        "REF": "${env:N}",
    }

    assert {"k": value} == plain(read(f"k: {text}", Path(), **variables))


NOTATION = "expected ${env:NAME}, ${env:NAME:-default} or ${file:PATH}"
UNSET = "the environment variable NONE is not set"
DEFAULT = "set it, or give a default: ${env:NONE:-default}"
ESCAPE = "write $$ for a dollar sign that is meant as such"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("${env:NONE}", UNSET, DEFAULT),
        ("a-${env:NONE}-b", UNSET, DEFAULT),
        ("${env:a-b}", f'"a-b" is no name of an environment variable; {NOTATION}', ESCAPE),
        ("${1}", f"{NOTATION}, found something else in ${{...}}", ESCAPE),
        ("${vault:key}", f"{NOTATION}, found ${{vault:...}}", ESCAPE),
        ("${env:N", f"${{ without its closing brace; {NOTATION}", ESCAPE),
    ],
)
def test_says_what_is_wrong_with_a_reference(text: str, message: str, hint: str) -> None:
    """A reference that leads nowhere is a problem at its line, with what to do."""
    assert Problem("a.yaml:2", "b", message, hint) == wrong(f"a: 1\nb: {text}")


def test_a_reference_in_brackets_wants_quotes() -> None:
    """YAML reads the braces itself there; the error says so."""
    assert 'a reference stands in quotes: ["${env:NAME}"]' in wrong("a: [${env:N}]", N="1").hint


def test_includes_files_beside_the_file(tmp_path: Path) -> None:
    """A file's text stands for the reference, without the line break at its end."""
    (tmp_path / "token").write_text("0123\n")
    (tmp_path / "key.pem").write_text("-----BEGIN-----\nabc\n-----END-----\n")

    node = read("a: ${file:token}\nb: x-${file:token}\nc: ${file:key.pem}", tmp_path)

    assert isinstance(node.value, dict)
    assert "0123" == node.value["a"].text
    assert "x-0123" == node.value["b"].value
    assert "-----BEGIN-----\nabc\n-----END-----" == node.value["c"].text


def test_a_file_may_hold_a_part_of_the_configuration(tmp_path: Path) -> None:
    """A file with a mapping is read like the rest, with its own places and references."""
    (tmp_path / "part.yaml").write_text("x: ${env:N}\ny: {z: 2}\n")

    node = read("a: ${file:part.yaml}", tmp_path, N="5")

    assert {"a": {"x": 5, "y": {"z": 2}}} == plain(node)
    assert isinstance(node.value, dict)
    inside = node.value["a"].value
    assert isinstance(inside, dict)
    assert (str(tmp_path / "part.yaml"), 2) == inside["y"].mark[:2]


def test_files_that_name_each_other_end(tmp_path: Path) -> None:
    """A circle of files is refused."""
    (tmp_path / "part.yaml").write_text("x: ${file:part.yaml}\n")

    assert "files name each other too deeply" == wrong("a: ${file:part.yaml}", tmp_path).message


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent", "there is no file"), (".", "there is no file"), ("latin", "is not UTF-8 text")],
)
def test_says_why_a_file_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    """A file that is not there, or no text, is a problem that names it."""
    (tmp_path / "latin").write_bytes(b"\xff\xfe\xe4")

    problem = wrong(f"a: ${{file:{name}}}", tmp_path)

    assert message in problem.message
    assert str(tmp_path) in problem.message


@pytest.mark.parametrize("content", [b"\xff\xff", b"a: \xe4"])
def test_refuses_a_file_that_is_not_utf8(tmp_path: Path, content: bytes) -> None:
    """A configuration in another encoding is refused."""
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    problems = Problems()

    node = Reader({}, problems).read_file(path)

    assert node.broken
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        problems.raise_any()


def test_takes_a_byte_order_mark(tmp_path: Path) -> None:
    """Files of Windows editors are read."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1")

    assert {"a": 1} == plain(Reader({}, Problems()).read_file(path))


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_refuses_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    """A file that is not there is a problem, not a crash."""
    problems = Problems()
    Reader({}, problems).read_file(tmp_path / name)

    with pytest.raises(ConfigError, match="cannot read the file: "):
        problems.raise_any()
