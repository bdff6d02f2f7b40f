"""What the reference of settings promises: to say what the code says."""

from pathlib import Path

from gateway.config.reference import render
from gateway.registry import KINDS, Registry
from tests.gateway.config.support import REGISTRY

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    """The page in the repository is the one that the settings give: `make docs` writes it."""
    assert render(Registry()) == PAGE.read_text(encoding="utf-8")


def test_every_built_in_component_is_on_the_page() -> None:
    """Nothing that can be configured is left out."""
    page = render(Registry())

    assert [] == [
        one.type
        for kind in KINDS
        for one in Registry().all(kind)
        if f"### `{one.type}`" not in page
    ]


def test_plugins_are_left_out() -> None:
    """The page describes what ships, whatever is installed beside it."""
    assert "sample" not in render(REGISTRY)
