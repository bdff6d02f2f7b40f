"""
Compile the hot modules with mypyc: ``python hatch_build.py`` for a checkout, and for wheels.

They are the same sources that run without a compiler, only slower: where there is none, a wheel is
pure Python. What is compiled stands under ``build/compiled`` and is used by ``gateway.compiled``
as long as all sources that the compiler read are what they were. See docs/adr/0016.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from gateway import compiled  # noqa: E402 - not installed where a wheel is built

# One library each: they are compiled in parallel, and calls within one go from C to C.
GROUPS = {
    "spangate_cost": ["processors/cost/*.py"],
    "spangate_mapping": ["processors/mlflow_mapping/*.py"],
    "spangate_otlp": [
        "gateway/rewriting.py",
        "gateway/spans.py",
        "gateway/views.py",
        "gateway/otlp/*.py",
    ],
    "spangate_redaction": ["processors/redaction/*.py"],
}
# What gains nothing: components, settings, tables, rare work; and what msgspec decodes into, by
# annotations that compiling simplifies.
LEFT_OUT = {
    *(f"processors/cost/{name}.py" for name in (
        "catalogue", "explain", "price_file", "providers", "unknown",
    )),
    *(f"processors/mlflow_mapping/{name}.py" for name in ("dialect", "ready")),
    *(f"processors/redaction/{name}.py" for name in ("catalog", "secret_checks")),
    *(f"gateway/otlp/{name}.py" for name in (
        "answer", "decompress", "json", "status", "weigh",
    )),
}  # fmt: skip
_NEVER = {"__init__.py", "processor.py", "settings.py"}


def groups() -> dict[str, list[str]]:
    """Return the modules of each library, as paths below the root."""
    return {
        library: sorted(
            file
            for pattern in patterns
            for path in ROOT.glob(pattern)
            if path.name not in _NEVER
            and (file := path.relative_to(ROOT).as_posix()) not in LEFT_OUT
        )
        for library, patterns in GROUPS.items()
    }


def modules() -> set[str]:
    """Return the names of all modules that are compiled."""
    return {
        file.removesuffix(".py").replace("/", ".") for files in groups().values() for file in files
    }


def can_compile() -> bool:
    """Whether there is a C compiler, with Python's headers."""
    command = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return shutil.which(command.split()[0]) is not None and header.is_file()


def requirements() -> list[str]:
    """Return what compiling needs: the compiler, and everything whose types it reads."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [*project["dependency-groups"]["compile"], *project["project"]["dependencies"]]


def _imported(source: Path) -> Iterator[Path]:
    """Return the files of this project that a module imports, its packages among them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    for name in names:
        path = ROOT.joinpath(*name.split("."))
        yield from (p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file())


def sources() -> list[str]:
    """Return all files that decide what is compiled; types and constants of others count too."""
    seen: set[Path] = set()
    left = [ROOT / file for files in groups().values() for file in files]
    while left:
        source = left.pop()
        if source not in seen:
            seen.add(source)
            left += _imported(source)
    return sorted(path.relative_to(ROOT).as_posix() for path in {*seen, Path(__file__).resolve()})


def _mended_runtime(folder: Path) -> Path:
    """
    Write the part of mypyc's runtime that cuts bytes, mended, and return its path.

    As of mypy 2.4, ``data[start:end]`` raises SystemError instead of being empty where ``start``
    lies behind ``end``. This goes when mypyc does what Python does.
    """
    import mypyc  # noqa: PLC0415 - as in build

    text = (Path(mypyc.__file__).parent / "lib-rt" / "bytes_ops.c").read_text(encoding="utf-8")
    mended = text.replace("slice_len = endn - startn;", "slice_len = Py_MAX(endn - startn, 0);")
    path = folder / "bytes_ops.c"
    if not path.exists() or path.read_text(encoding="utf-8") != mended:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(mended, encoding="utf-8")
    return path


def build(folder: Path) -> None:
    """Compile everything into a folder; what is there and still true is kept."""
    import setuptools  # type: ignore[import-untyped] # noqa: PLC0415 - has no types; as mypyc
    from mypyc.build import mypycify  # noqa: PLC0415 - not there where nothing is compiled

    digests = {file: compiled.digest(ROOT / file) for file in sources()}
    wanted = groups()
    manifest = folder / compiled.MANIFEST
    manifest.unlink(missing_ok=True)
    extensions = mypycify(
        [*(file for files in wanted.values() for file in files), f"--cache-dir={folder / 'mypy'}"],
        opt_level="1",  # twice as quick to compile as 2, and the result is no slower
        debug_level="0",
        separate=[(files, library) for library, files in wanted.items()],
        target_dir=str(folder / "c"),
    )
    mended = _mended_runtime(folder / "runtime")
    for extension in extensions:
        extension.include_dirs.insert(0, str(mended.parent))
        extension.depends.append(str(mended))
    command = setuptools.Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(folder / "lib"), str(folder / "objects")
    command.parallel = os.cpu_count()
    command.ensure_finalized()
    command.run()
    built = {one.name: f"lib/{command.get_ext_filename(one.name)}" for one in extensions}
    draft = manifest.with_suffix(".new")
    draft.write_text(json.dumps({"modules": built, "sources": digests}, indent=1), encoding="utf-8")
    draft.replace(manifest)


class CompiledModules(BuildHookInterface[Any]):
    """Put compiled modules into a wheel where they can be compiled."""

    def dependencies(self) -> list[str]:
        """Return what a build in isolation installs."""
        return requirements() if can_compile() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, in a process of its own: the compiler ends its own where it fails."""
        if version != "standard":
            return  # editable: the checkout itself, where make compiles
        if subprocess.run([sys.executable, __file__], check=False).returncode:
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for file in compiled.fresh_modules().values():
            build_data["force_include"][str(compiled.FOLDER / file)] = file.removeprefix("lib/")


def main() -> int:
    """Compile for this Python; the exit code says whether there are compiled modules now."""
    if modules() <= compiled.fresh_modules().keys():
        return 0
    if not can_compile():
        print("not compiled, runs as pure Python: no C compiler with Python's headers")
        return 1
    folder, begin = compiled.FOLDER, time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    print(f"compiling {len(groups())} libraries for speed; may take a minute ...", flush=True)
    log = folder / "log.txt"
    with log.open("w", encoding="utf-8") as output:
        command = [sys.executable, "-c", "import hatch_build as h; h.build(h.compiled.FOLDER)"]
        done = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, check=False)
    if done.returncode:
        last = "".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[-10:])
        print(f"{last}not compiled, runs as pure Python: see {log}")
        return 1
    print(f"compiled in {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
