"""The settings that the guide to security shows can be run."""

import re
from pathlib import Path

import pytest
import yaml

from gateway.config.loader import load

DOCS = Path(__file__).parents[2] / "docs"
REST = """
exporters: {debug: {}}
service: {pipelines: {traces: {receivers: [otlp], processors: [], exporters: [debug]}}}
"""


@pytest.mark.parametrize("page", ["security.md", "processors/memory_limiter.md"])
def test_settings_of_the_page_load(page: str, tmp_path: Path) -> None:
    """What a page shows is a configuration without mistakes, given the rest of one."""
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        shown = yaml.safe_load(block)
        for kind, component in (("receivers", "otlp"), ("processors", "redaction")):
            shown.setdefault(kind, {}).setdefault(component, {})
        shown.setdefault("exporters", {"mlflow": {}})
        shown.setdefault("service", yaml.safe_load(REST)["service"])
        if "debug" in str(shown["service"]):
            shown["exporters"]["debug"] = {}
        path = tmp_path / "gateway.yaml"
        path.write_text(yaml.safe_dump(shown))
        load([path])
