"""What is compiled, and what a wheel holds with a compiler and without."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import hatch_build
from gateway import compiled

ROOT = Path(__file__).parents[1]
MODULES = [file for files in hatch_build.groups().values() for file in files]


def test_what_is_left_out_is_there() -> None:
    """No module is left out by a name that it has no more."""
    assert [] == [file for file in hatch_build.LEFT_OUT if not (ROOT / file).is_file()]


def test_one_module_is_in_one_library() -> None:
    """Each library compiles something, and nothing is compiled twice."""
    assert all(hatch_build.groups().values())
    assert len(set(MODULES)) == len(MODULES)


def test_an_edit_anywhere_near_counts() -> None:
    """Modules that compiled ones import decide with them, since their constants are built in."""
    sources = set(hatch_build.sources())

    assert {"hatch_build.py", "gateway/batch.py", "gateway/__init__.py", *MODULES} <= sources
    assert "gateway/cli/run.py" not in sources


@pytest.mark.parametrize(("missing", "code"), [(0, 0), (1, 1)])
def test_a_new_module_is_compiled(monkeypatch: pytest.MonkeyPatch, missing: int, code: int) -> None:
    """What was compiled counts only where it holds all modules; here none can be compiled."""
    built = dict.fromkeys(sorted(hatch_build.modules())[missing:], "lib")
    monkeypatch.setattr(compiled, "fresh_modules", lambda: built)
    monkeypatch.setattr(hatch_build, "can_compile", lambda: False)

    assert code == hatch_build.main()


def test_no_annotation_is_lost_that_decoding_needs() -> None:
    """Where a compiled module decodes structs their fields are plain: others would be anything."""
    texts = {file: (ROOT / file).read_text(encoding="utf-8") for file in MODULES}
    types = {
        (file, kind)
        for file, text in texts.items() if "msgspec.json.Decoder(" in text
        for body in re.findall(r"(?s)class \w+\(msgspec\.Struct.*?\):\n(.*?)(?=\n\S|\Z)", text)
        for kind in re.findall(r"(?m)^    \w+: (.+?)(?: = |$)", body)
    }  # fmt: skip

    assert {"int"} == {kind for _, kind in types}


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("compiler", "tag", "libraries"),
    [(None, "linux_x86_64", 4), ("/nowhere/cc", "py3-none-any", 0)],
)
def test_wheels(tmp_path: Path, compiler: str | None, tag: str, libraries: int) -> None:
    """With a compiler a wheel is for this machine, else for all; both hold the sources."""
    environ = {**os.environ} if compiler is None else {**os.environ, "CC": compiler}
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    source = tmp_path / "source"
    clone = ["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", str(source)]
    subprocess.run(clone, check=True)
    subprocess.run(command, cwd=source, env=environ, check=True)

    (wheel,) = (source / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.stem.endswith(tag)
    assert libraries == sum("__mypyc." in name for name in names)
    assert set(MODULES) <= set(names)
