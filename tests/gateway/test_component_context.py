"""What the engine gives a component when it starts."""

from pathlib import Path

from gateway.component_context import ComponentContext
from gateway.tenants import Tenants
from gateway.testing import FakeClock


def test_a_components_folder_is_for_us_alone(tmp_path: Path) -> None:
    """The folder and each one above it, up to the data directory, are closed to others."""
    context = ComponentContext(
        "processors",
        "redaction/strict",
        clock=FakeClock(),
        data_dir=tmp_path / "data",
        tenants=Tenants(),
    )

    folder = context.data_dir

    assert folder == tmp_path / "data" / "processors" / "redaction-strict"
    for made in (folder, folder.parent, folder.parent.parent):
        assert 0o700 == made.stat().st_mode & 0o777
