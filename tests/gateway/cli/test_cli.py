"""What the command line promises as a whole, shown with the real program."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import COMMANDS
from gateway.version import __version__

ESCAPE = "\x1b["


def spangate(
    *arguments: str, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments],
        cwd=cwd,
        env={"PATH": "", "PYTHONPATH": str(Path(__file__).parents[3]), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_says_its_version() -> None:
    """The version is one line."""
    result = spangate("--version")

    assert (0, f"spangate {__version__}\n") == (result.returncode, result.stdout)


def test_help_lists_every_command() -> None:
    """``--help`` names all commands with what each is for."""
    result = spangate("--help")

    assert 0 == result.returncode
    for name, command in COMMANDS.items():
        assert name in result.stdout
        assert command.summary[:30] in result.stdout


def test_help_imports_no_command() -> None:
    """``--help`` is quick, since commands are imported when they are called."""
    code = (
        "import sys\nfrom gateway.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('grpc', 'aiohttp', 'msgspec', 'yaml') if name in sys.modules])"
    )

    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert result.stdout.endswith("[]\n")


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_with_an_example(name: str) -> None:
    """Each command says what it is for and shows a call."""
    result = spangate(name, "--help", COLUMNS="200")

    assert 0 == result.returncode, result.stderr
    assert f"spangate {name}" in result.stdout.partition("Example")[2]


@pytest.mark.parametrize("name", ["run", "try", "validate", "print-config", "doctor"])
def test_commands_that_read_a_configuration_take_the_same_options(name: str) -> None:
    """``--config`` and ``--set`` work everywhere."""
    result = spangate(name, "--help", COLUMNS="200")

    assert "--config" in result.stdout
    assert "--set" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vaildate"], "Did you mean 'validate'?"),
        (["validate", "--confg", "x"], "--config"),
        (["validate", "--config"], "requires an argument"),
        (["components", "--output", "xml"], "xml"),
    ],
)
def test_a_wrong_call_ends_in_2(arguments: list[str], message: str) -> None:
    """Usage errors say what was meant, on stderr, without a traceback."""
    result = spangate(*arguments, COLUMNS="200")

    assert (2, "") == (result.returncode, result.stdout)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_configuration_ends_in_2(tmp_path: Path) -> None:
    """Every command refuses it in the same way: all problems on stderr, no traceback."""
    (tmp_path / "bad.yaml").write_text("extensions: {}\nservice: {worker: 1}\n")

    for command in ("validate", "print-config", "run"):
        result = spangate(command, "--config", "bad.yaml", cwd=tmp_path)

        assert (2, "") == (result.returncode, result.stdout), command
        assert 'bad.yaml:1: extensions: unknown key "extensions"' in result.stderr
        assert 'bad.yaml:2: service.worker: unknown key "worker"' in result.stderr
        assert "Traceback" not in result.stderr


def test_a_missing_file_ends_in_2(tmp_path: Path) -> None:
    """A file that is not there is named."""
    result = spangate("validate", "--config", "absent.yaml", cwd=tmp_path)

    assert 2 == result.returncode
    assert "absent.yaml: cannot read the file: No such file or directory" in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["components"], ["nonsense"]])
def test_no_colour_with_no_color(arguments: list[str]) -> None:
    """NO_COLOR wins even where colour is forced."""
    result = spangate(*arguments, NO_COLOR="1", FORCE_COLOR="1", TERM="xterm-256color")

    assert f"{ESCAPE}3" not in result.stdout + result.stderr
