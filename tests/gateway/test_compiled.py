"""When compiled modules stand in for their sources, and when not."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gateway
from gateway import compiled
from gateway.version import __version__

HOME = Path(gateway.__file__).parents[1]
SAY = "from gateway import version; print(version.__version__)"
SAY_THEIRS = "from processors import patterns; print(patterns.WHOSE)"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout in which ``gateway.version`` and ``processors.patterns`` were compiled."""
    home = tmp_path / "checkout"
    for name in ("gateway/__init__", "gateway/compiled", "gateway/namesakes", "gateway/version",
                 "processors/__init__", "processors/patterns"):  # fmt: skip
        target = home / f"{name}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HOME / f"{name}.py", target)
    built = home / compiled.FOLDER.relative_to(HOME)
    built.mkdir(parents=True)
    # The loader goes by the suffix, so that a source tells as well whose place it took.
    (built / "version.py").write_text("__version__ = 'compiled'\n")
    (built / "patterns.py").write_text("WHOSE = 'compiled'\n")
    sources = ("gateway/version.py", "processors/patterns.py")
    manifest = {
        "modules": {"gateway.version": "version.py", "processors.patterns": "patterns.py"},
        "sources": {source: compiled.digest(home / source) for source in sources},
    }
    (built / compiled.MANIFEST).write_text(json.dumps(manifest))
    return home


def said(*path: Path, code: str = SAY, **environ: str) -> str:
    """Return what a Python of its own prints."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=path[0],
        env={"PYTHONPATH": ":".join(map(str, path)), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 0 == result.returncode, result.stderr
    return result.stdout.strip()


def test_unedited_sources_run_compiled(checkout: Path) -> None:
    """What was compiled of the very sources runs in their place."""
    assert "compiled" == said(checkout)


def test_one_edit_and_all_sources_run(checkout: Path) -> None:
    """An edited source runs, and so do those compiled together with it."""
    patterns = checkout / "processors" / "patterns.py"
    patterns.write_text(patterns.read_text() + "WHOSE = 'edited'\n")

    assert "edited" == said(checkout, code=SAY_THEIRS)
    assert __version__ == said(checkout)


def test_a_variable_turns_it_off(checkout: Path) -> None:
    """The sources run where somebody asks for them."""
    assert __version__ == said(checkout, SPANGATE_PURE_PYTHON="1")


@pytest.mark.parametrize("content", ["", "{", None])
def test_without_a_whole_manifest_sources_run(checkout: Path, content: str | None) -> None:
    """Compiling that was interrupted, or never begun, leaves a checkout that runs."""
    manifest = checkout / compiled.FOLDER.relative_to(HOME) / compiled.MANIFEST
    if content is None:
        manifest.unlink()
    else:
        manifest.write_text(content)

    assert __version__ == said(checkout)


def test_an_authors_module_of_the_same_name_is_theirs(checkout: Path, tmp_path: Path) -> None:
    """What stands first on the path runs, also where ours of that name was compiled."""
    theirs = tmp_path / "theirs" / "processors"
    theirs.mkdir(parents=True)
    (theirs / "__init__.py").touch()
    (theirs / "patterns.py").write_text("WHOSE = 'theirs'\n")

    assert "theirs" == said(theirs.parent, checkout, code=f"import gateway; {SAY_THEIRS}")


def test_says_what_runs() -> None:
    """A process tells its flavour by where its modules come from."""
    from gateway.otlp import wire  # noqa: PLC0415 - the module in question

    is_compiled = not str(wire.__file__).endswith(".py")
    assert is_compiled == (compiled.flavour() == "compiled")
