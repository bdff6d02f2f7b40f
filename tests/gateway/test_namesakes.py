"""What a plugin author with packages called ``processors`` and ``exporters`` is promised."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import gateway

HOME = Path(gateway.__file__).resolve().parent.parent
CHECK = """
from gateway.registry import Registry

import exporters.debug
import exporters.theirs
import processors.theirs

assert exporters.theirs.WHOSE == "theirs", exporters.theirs
assert processors.theirs.WHOSE == "theirs", processors.theirs
assert exporters.debug.Debug is Registry().find("exporters", "debug")
print("both", processors.__name__)
"""


def write_namesakes(folder: Path, *, with_init: bool = True) -> Path:
    """Write an author's packages, with something at their top and a module in each."""
    for name in ("processors", "exporters"):
        package = folder / name
        package.mkdir(parents=True)
        if with_init:
            (package / "__init__.py").write_text("TOP = 'theirs'\n")
        (package / "theirs.py").write_text("WHOSE = 'theirs'\n")
    return folder


def run(code: str, *, path: list[Path], cwd: Path, arguments: tuple[str, ...] = ()) -> str:
    """Run code in a Python of its own whose path begins with these folders."""
    script = cwd / "check_namesakes.py"
    script.write_text(textwrap.dedent(code))
    result = subprocess.run(
        [sys.executable, *arguments, str(script)],
        cwd=cwd,
        env={"PYTHONPATH": ":".join(map(str, path)), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 0 == result.returncode, result.stderr
    return result.stdout


@pytest.mark.parametrize("with_init", [True, False])
@pytest.mark.parametrize("gateway_first", [True, False])
def test_an_authors_packages_first_on_the_path(
    tmp_path: Path, *, with_init: bool, gateway_first: bool
) -> None:
    """Found first or not, imported before the gateway or after: both can be imported."""
    theirs = write_namesakes(tmp_path / "author", with_init=with_init)
    begin = "import gateway\n" if gateway_first else "import processors.theirs, exporters.theirs\n"

    out = run(begin + CHECK, path=[theirs, HOME], cwd=tmp_path)

    assert "both processors\n" == out


@pytest.mark.parametrize("gateway_first", [True, False])
def test_an_authors_packages_after_ours(tmp_path: Path, *, gateway_first: bool) -> None:
    """Where ours are found first, theirs can be imported all the same, first or last."""
    theirs = write_namesakes(tmp_path / "author")
    begin = "import gateway\n" if gateway_first else "import processors.theirs\n"

    out = run(begin + CHECK, path=[HOME, theirs], cwd=tmp_path)

    assert "both processors\n" == out


def test_what_stands_in_the_authors_package_itself_stays_theirs(tmp_path: Path) -> None:
    """The package that Python finds first keeps its own ``__init__``."""
    theirs = write_namesakes(tmp_path / "author")

    out = run(
        "import gateway, processors\nprint(processors.TOP)", path=[theirs, HOME], cwd=tmp_path
    )

    assert "theirs\n" == out


def test_an_authors_packages_installed_beside_ours(tmp_path: Path) -> None:
    """In site-packages, where an installation put theirs beside the gateway's own folder."""
    site = write_namesakes(tmp_path / "site-packages")
    (site / "spangate.pth").write_text(f"{HOME}\n")

    out = run(f"import site\nsite.addsitedir({str(site)!r})\n{CHECK}", path=[HOME], cwd=tmp_path)

    assert "both processors\n" == out


def test_a_script_beside_the_authors_packages(tmp_path: Path) -> None:
    """The folder of a script leads the path; that is where authors run their own tools."""
    write_namesakes(tmp_path)

    assert "both processors\n" == run("import gateway\n" + CHECK, path=[HOME], cwd=tmp_path)


@pytest.mark.parametrize("mode", ["prepend", "append", "importlib"])
def test_the_authors_packages_in_pytests_root(tmp_path: Path, mode: str) -> None:
    """An author's tests import their own packages and the gateway's, whatever the import mode."""
    write_namesakes(tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_theirs.py").write_text(
        "import processors.theirs\nimport exporters.theirs\nimport gateway.testing\n"
        "import exporters.debug\n\n\n"
        "def test_both():\n"
        "    assert processors.theirs.WHOSE == exporters.theirs.WHOSE == 'theirs'\n"
        "    assert exporters.debug.Debug\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--import-mode={mode}"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(HOME), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert "1 passed" in result.stdout, result.stdout + result.stderr


def test_a_plugin_of_an_author_is_loaded_by_use(tmp_path: Path) -> None:
    """``use: processors.mine:Mine`` finds the author's package beside the configuration."""
    write_namesakes(tmp_path / "author")
    (tmp_path / "author" / "processors" / "mine.py").write_text(
        "from gateway.plugin import Config, Processor\n\n\nclass Mine(Processor[Config]): ...\n"
    )
    code = f"""
        from pathlib import Path
        import exporters.debug
        from gateway.registry import Registry

        print(Registry().load_use("processors.mine:Mine", Path({str(tmp_path / "author")!r})))
    """

    assert "<class 'processors.mine.Mine'>\n" == run(code, path=[HOME], cwd=tmp_path)


def test_an_authors_editable_installation(tmp_path: Path) -> None:
    """A project that is installed as an import hook, not by a folder on the path, is found too."""
    theirs = write_namesakes(tmp_path / "author")
    code = f"""
        import sys
        from importlib.machinery import PathFinder

        class Editable:
            @staticmethod
            def find_spec(name, path=None, target=None):
                where = path or [{str(theirs)!r}]
                return PathFinder.find_spec(name, where, target) if "." not in name else None

        sys.meta_path.append(Editable)
    """

    out = run(textwrap.dedent(code) + CHECK, path=[HOME], cwd=tmp_path)

    assert "both processors\n" == out


@pytest.mark.parametrize("gateway_first", [True, False])
def test_an_authors_single_module(tmp_path: Path, *, gateway_first: bool) -> None:
    """A file ``exporters.py`` beside a script hides none of our exporters."""
    (tmp_path / "exporters.py").write_text("TOP = 'theirs'\n")
    first, second = ("gateway", "exporters") if gateway_first else ("exporters", "gateway")

    out = run(
        f"import {first}, {second}\nimport exporters.debug\nprint(exporters.TOP)",
        path=[HOME],
        cwd=tmp_path,
    )

    assert "theirs\n" == out


def test_other_packages_are_left_alone(tmp_path: Path) -> None:
    """Subpackages called ``processors`` elsewhere are none of our business."""
    package = tmp_path / "author" / "acme" / "processors"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("WHOSE = 'acme'\n")
    (package.parent / "__init__.py").write_text("")

    out = run(
        "import gateway, acme.processors\nprint(acme.processors.WHOSE, acme.processors.__path__)",
        path=[tmp_path / "author", HOME],
        cwd=tmp_path,
    )

    assert f"acme ['{package}']\n" == out
