"""
What the typical values render to, as text to review.

Write it anew with ``python -m tests.helm.golden``.
"""

import textwrap
from pathlib import Path

from tests.helm.chart import CHART, Values, render, typical

FOLDER = Path(__file__).parent / "golden"
_LONG = ("files/helm_test.py", "dashboards/spangate.json")


def golden(values: Values) -> str:
    """Return all manifests as one text; long files in them are named instead of shown."""
    text = "".join(f"# {path}\n{text}" for path, text in sorted(render(values).items()))
    for name in _LONG:
        content = (CHART / name).read_text(encoding="utf-8")
        for indent in (4, 10):
            # Helm's nindent leaves blanks on empty lines, textwrap does not.
            shown = textwrap.indent(content.rstrip("\n"), " " * indent, lambda _: True)
            text = text.replace(shown, f"{' ' * indent}({name})")
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def main() -> None:
    """Write every golden file."""
    FOLDER.mkdir(exist_ok=True)
    for name, values in typical().items():
        (FOLDER / f"{name}.yaml").write_text(golden(values), encoding="utf-8")


if __name__ == "__main__":
    main()
