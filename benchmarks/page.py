"""The page of results: one section a benchmark, each written anew on its own."""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.compiled import flavour

RESULTS = Path(__file__).with_name("RESULTS.md")


def put(title: str, text: str, page: Path = RESULTS) -> None:
    """Write the section of that title, in place of an older one or at the end."""
    section = f"# {title}\n\n{text.strip()}\n"
    sections = re.split(r"(?m)^(?=# )", page.read_text()) if page.exists() else []
    kept = [section if old.startswith(f"# {title}\n") else old for old in sections if old.strip()]
    if section not in kept:
        kept.append(section)
    page.write_text("\n".join(f"{each.strip()}\n" for each in kept))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; cells that are figures stand to the right."""
    lines = [list(row) for row in rows]
    right = [all(_is_figure(line[at]) for line in lines) for at in range(len(heads))]
    marks = ["---:" if figure else "---" for figure in right]
    return "\n".join(f"| {' | '.join(line)} |" for line in [list(heads), marks, *lines])


def machine() -> str:
    """Return what was measured on, in a few words."""
    kind = platform.machine().replace("_", "-")
    version = f"CPython {platform.python_version()} ({flavour()})"
    return f"{os.cpu_count()} shared vCPUs, {kind}, {version}, load {os.getloadavg()[0]:.1f}"


def _is_figure(cell: str) -> bool:
    return bool(re.match(r"[\d-]", cell))
