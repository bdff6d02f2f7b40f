"""In which settings two configurations differ."""

from pathlib import Path

from gateway.config.difference import differences
from gateway.config.loader import read

CONFIG = """
receivers: {otlp: {}}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:1", headers: {x-key: old, x-same: a}}
service:
  workers: 2
  pipelines: {traces: {receivers: [otlp], processors: [], exporters: [otlp_http]}}
"""


def test_paths_are_named_and_no_values(tmp_path: Path) -> None:
    """What was added, removed and changed; where it stands in the file is no difference."""
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text(CONFIG)
    other.write_text(
        "# moved\n"
        + CONFIG.replace("x-key: old", "x-key: new").replace("workers: 2", "shutdown_timeout: 3s")
    )

    found = differences(read([one]).tree, read([other]).tree)

    assert [
        "exporters.otlp_http.headers.x-key",
        "service.shutdown_timeout",
        "service.workers",
    ] == found
    assert [] == differences(read([one]).tree, read([one]).tree)
