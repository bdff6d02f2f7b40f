"""What the pages about processors promise: their examples load as they are."""

import re
from pathlib import Path

import pytest

from gateway.config.loader import load
from tests.processors.configuring import FRAME

PAGES = Path(__file__).parents[2] / "docs" / "processors"
OURS = ("attributes", "resource", "filter", "transform", "tags", "tail_sampling")


@pytest.mark.parametrize("name", OURS)
def test_the_example_of_a_page_loads(tmp_path: Path, name: str) -> None:
    """No problem and no warning."""
    [example] = re.findall(
        r"```yaml\n(processors:\n.*?)```", (PAGES / f"{name}.md").read_text(), re.DOTALL
    )
    path = tmp_path / "gateway.yaml"
    path.write_text(FRAME.replace("processors:\n", "") + example)

    settings = load([path], environ={})

    assert [name] == list(settings.processors)
    settings.processors[name].component(settings.processors[name].config)
