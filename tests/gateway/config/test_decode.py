"""What the settings of a component promise: typed values, and every mistake with its place."""

import pytest

from gateway.config.problems import Problem
from gateway.config.types import Duration, FilePath, Secret
from tests.gateway.config.support import ByName, BySize, InnerConfig, Loading, SideConfig


def test_fills_in_defaults(loading: Loading) -> None:
    """A component with nothing after its key has its defaults."""
    config = loading.sample("")

    assert (1, 0.5, Duration(5)) == (config.count, config.share, config.wait)


def test_types_every_kind_of_setting(loading: Loading) -> None:
    """Each type is read as YAML users write it."""
    config = loading.sample("""
        count: 0x10
        share: 1
        flag: yes
        text: hello
        mode: fast
        wait: 1m30s
        password: xyzzy
        tokens: [abc, 0123]
        headers: {x-key: 12}
        inner: [{name: a}, {name: b, size: 7}]
        by_key: {k: {name: c}}
        pair: [2, b]
        keys: [x, y]
    """)

    assert (16, 1.0, True, "hello") == (config.count, config.share, config.flag, config.text)
    assert ("fast", 90.0, Secret("xyzzy")) == (config.mode, config.wait, config.password)
    assert [Secret("abc"), Secret("0123")] == config.tokens
    assert {"x-key": Secret("12")} == config.headers
    assert [InnerConfig(name="a"), InnerConfig(name="b", size=7)] == config.inner
    assert {"k": InnerConfig(name="c")} == config.by_key
    assert ((2, "b"), ("x", "y")) == (config.pair, config.keys)
    assert isinstance(config.share, float)
    assert isinstance(config.wait, Duration)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("id: 12", 12), ("id: team-a", "team-a"), ("id: '12'", "12"), ("workers: auto", "auto")],
)
def test_unions_keep_what_was_written(loading: Loading, written: str, expected: object) -> None:
    """A number stays a number, a text a text."""
    config = loading.sample(written)

    assert expected == (config.workers if "workers" in written else config.id)


@pytest.mark.parametrize("text", ["12", "007", "1.50", "2026-01-31", "0x1F"])
def test_a_number_may_stand_for_a_text(loading: Loading, text: str) -> None:
    """An id that looks like a number or a date is the text that was written."""
    assert text == loading.sample(f"text: {text}").text


def test_an_optional_part_is_off_unless_its_key_is_there(loading: Loading) -> None:
    """An absent part is None; a part with nothing after its key has its defaults."""
    assert loading.sample("count: 1").side is None
    assert SideConfig() == loading.sample("side:").side
    assert SideConfig(wait=Duration(2)) == loading.sample("side: {wait: 2s}").side


def test_nothing_means_the_default(loading: Loading) -> None:
    """A key with nothing after it is as good as no key."""
    config = loading.sample("count:\nwait: ~\ninner: null\ntext:")

    assert (1, 5.0, [], "plain") == (config.count, config.wait, config.inner, config.text)


def test_a_tag_chooses_the_form(loading: Loading) -> None:
    """Of two forms the one is read that the tag names."""
    assert ByName(name="n") == loading.sample("rule: {type: by_name, name: n}").rule
    assert BySize(size=3) == loading.sample("rule: {type: by_size, size: 3}").rule


def test_paths_are_relative_to_the_file_that_names_them(loading: Loading) -> None:
    """A path is made absolute against its file's folder; absolute ones stay."""
    assert FilePath(loading.folder / "key.pem") == loading.sample("file: key.pem").file
    assert FilePath("/a/key.pem") == loading.sample("file: /a/key.pem").file
    assert str(loading.folder.parent / "k") == loading.sample("file: ../k").file


def test_finds_every_mistake_with_its_place(loading: Loading) -> None:
    """All mistakes at all depths come at once, each with line, path, reason and hint."""
    found = loading.sample_problems("""
        cuont: 3
        count: many
        share: half
        flag: "true"
        mode: fsat
        wait: 5
        inner:
          - {nam: x}
          - name: y
            size: 50
        by_key:
          k: {name: [1]}
        pair: [1]
        side: {wait: 2h}
    """)

    assert [
        ("gateway.yaml:9", "cuont", 'unknown key "cuont"', 'did you mean "count"?'),
        ("gateway.yaml:10", "count", 'expected a whole number, found the text "many"', ""),
        ("gateway.yaml:11", "share", 'expected a number, found the text "half"', ""),
        (
            "gateway.yaml:12",
            "flag",
            'expected true or false, found the text "true"',
            "write it without quotes: true",
        ),
        (
            "gateway.yaml:13",
            "mode",
            'expected "fast" or "slow", found the text "fsat"',
            'did you mean "fast"?',
        ),
        (
            "gateway.yaml:14",
            "wait",
            'expected a duration such as "200ms" or "5s", found 5',
            'add a unit, as in "5s"',
        ),
        ("gateway.yaml:16", "inner[0].nam", 'unknown key "nam"', 'did you mean "name"?'),
        ("gateway.yaml:16", "inner[0].name", "expected a text, it is missing", ""),
        ("gateway.yaml:18", "inner[1].size", "must be at most 10, found 50", ""),
        ("gateway.yaml:20", "by_key.k.name", "expected a text, found a list", ""),
        ("gateway.yaml:21", "pair", "expected a list of 2 entries, found a list", ""),
        (
            "gateway.yaml:22",
            "side.wait",
            "wait must be at most 1m, found 2h; use a shorter one",
            "",
        ),
    ] == [(p.where, p.path.removeprefix("processors.sample."), p.message, p.hint) for p in found]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("count: 1.5", "expected a whole number, found 1.5"),
        ("count: true", "expected a whole number, found true"),
        ("count: on", "expected a whole number, found on, which YAML reads as true"),
        (f"count: {10**400}", "the number is too large"),
        (f"share: {10**400}", "the number is too large"),
        ("share: 1e400", "expected a finite number, found inf"),
        ("share: .nan", "expected a finite number, found nan"),
        ("share: .inf", "expected a finite number, found inf"),
        ("text: yes", "expected a text, found yes, which YAML reads as true"),
        ("text: {a: b}", "expected a text, found a mapping"),
        ("keys: a", "expected a list, found a text"),
        ("keys: [~]", "expected a text, found nothing"),
        ("inner: {name: a}", "expected a list, found a mapping"),
        ("by_key: [a]", "expected a mapping, found a list"),
        ("side: on", "expected a mapping, found true or false"),
        ("workers: atuo", 'expected a whole number or "auto", found the text "atuo"'),
        ("wait: 5 s", 'expected a duration such as "200ms", "5s" or "1m30s", found "5 s"'),
        ("wait: -5s", 'expected a duration such as "200ms", "5s" or "1m30s", found "-5s"'),
        ("file: [a]", "expected the path of a file, found a list"),
        ("rule: 5", "expected a mapping, found 5"),
    ],
)
def test_says_what_was_expected_and_found(loading: Loading, written: str, message: str) -> None:
    """A wrong value is named together with what should stand there."""
    assert [message] == [problem.message for problem in loading.sample_problems(written)]


def test_a_check_of_the_whole_runs_beside_other_mistakes(loading: Loading) -> None:
    """What ``validate`` finds is not hidden by a mistake in a sibling."""
    found = loading.sample_problems("side: {wait: 2h, oops: 1}")

    assert ["side.oops", "side.wait"] == [
        problem.path.removeprefix("processors.sample.") for problem in found
    ]


def test_a_check_is_not_blamed_on_a_default(loading: Loading) -> None:
    """Where a field is wrong already, nothing is said about the default that stands in for it."""
    found = loading.sample_problems("side: {wait: long}")

    assert 1 == len(found)


SECRET = "hunter" + "2-and-more"


@pytest.mark.parametrize(
    "written",
    [
        f"password: [{SECRET}]",
        f"password: {{{SECRET}: 1}}",
        f"headers: {SECRET}",
        f"tokens: {SECRET}",
        f"password: {SECRET}\nside: {SECRET}",
        f"password: {SECRET}\nmode: {SECRET}",
        f"password: {SECRET}\ntext: [{SECRET}]",
        f"password: *{SECRET}",
        f"password: !{SECRET}",
        f"password: !!{SECRET}",
        f"password: !a!{SECRET}",
        f"password: &{SECRET} *b",
        f"password: [{SECRET}",
        f"password: '{SECRET}",
        f"password: a: {SECRET}",
        f"password: @{SECRET}",
        f"password: %{SECRET}",
        f"password: a${{{SECRET}}}",
        f"password: a${{x:{SECRET}}}",
        "password: [1]\ncount: ${env:TOKEN}",
        "side: ${env:TOKEN}",
        "mode: ${env:TOKEN}",
        "wait: ${env:TOKEN}",
        "count: x${env:TOKEN}",
        "inner: ${env:TOKEN}",
    ],
)
def test_no_error_shows_a_secret(loading: Loading, written: str) -> None:
    """Neither a secret nor a value from the environment is in any message."""
    found = loading.sample_problems(written, environ={"TOKEN": SECRET})

    assert SECRET not in "".join(f"{problem.message}{problem.hint}" for problem in found)


def test_names_the_variable_of_a_wrong_value(loading: Loading) -> None:
    """A value from the environment is named by its variable."""
    [problem] = loading.sample_problems("count: ${env:N}", environ={"N": "many"})

    assert "expected a whole number, found the value of ${env:N}" == problem.message


def test_a_problem_reads_as_place_reason_and_advice() -> None:
    """The text of a problem begins with the file and line that a terminal can open."""
    problem = Problem("a.yaml:3", "exporters.mlflow", "is wrong", "mend it")

    assert "a.yaml:3: exporters.mlflow: is wrong\n    mend it" == str(problem)
