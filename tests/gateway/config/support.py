"""Components of every kind whose settings use every type, and a way to load texts."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from gateway.config.loader import ConfigError, load
from gateway.config.problems import Problem
from gateway.config.settings import Settings
from gateway.config.types import Config, Duration, FilePath, Secret
from gateway.plugin import Batch, Deliver, Exporter, ExporterConfig, Processor, Receiver
from gateway.registry import Registry


class InnerConfig(Config):
    """Settings inside settings."""

    name: str
    """A name; required."""

    size: Annotated[int, msgspec.Meta(ge=1, le=10)] = 5
    """A size."""


class SideConfig(Config):
    """An optional part."""

    wait: Duration = Duration(1)
    """A wait."""

    key_file: FilePath | None = None
    """A file."""

    def validate(self) -> None:
        """Refuse long waits."""
        if self.wait > 60:
            raise ValueError(f"wait must be at most 1m, found {self.wait}; use a shorter one")


class ByName(Config, tag_field="type", tag="by_name"):
    """One of two forms."""

    name: str


class BySize(Config, tag_field="type", tag="by_size"):
    """The other form."""

    size: int


class SampleConfig(Config):
    """Settings of every type."""

    count: int = 1
    """A whole number."""

    share: float = 0.5
    """A number."""

    flag: bool = False
    """A switch."""

    text: str = "plain"
    """A text."""

    mode: Literal["slow", "fast"] = "slow"
    """A choice."""

    wait: Duration = Duration(5)
    """A duration."""

    password: Secret | None = None
    """A secret."""

    tokens: list[Secret] = msgspec.field(default_factory=list)
    """Secrets."""

    headers: dict[str, Secret] = msgspec.field(default_factory=dict)
    """Secrets by name."""

    file: FilePath | None = None
    """A file."""

    inner: list[InnerConfig] = msgspec.field(default_factory=list)
    """Structures in a list."""

    by_key: dict[str, InnerConfig] = msgspec.field(default_factory=dict)
    """Structures by key."""

    pair: tuple[int, str] = (1, "a")
    """Two things."""

    keys: tuple[str, ...] = ("a",)
    """Texts."""

    id: int | str = "none"
    """A number or a name."""

    workers: int | Literal["auto"] = 1
    """A number or a word."""

    side: SideConfig | None = None
    """A part that is off unless its key is there."""

    rule: ByName | BySize | None = None
    """One of two forms."""


class Sample(Processor[SampleConfig]):
    """Do nothing, with many settings."""

    def process(self, batch: Batch) -> Batch:
        """Return the batch."""
        return batch


class Limiter(Processor[Config]):
    """Stand for a component whose place in the order matters."""

    def process(self, batch: Batch) -> Batch:
        """Return the batch."""
        return batch


class Source(Receiver[Config]):
    """Receive nothing."""

    async def listen(self, deliver: Deliver) -> None:
        """Do nothing."""


class Sink(Exporter[ExporterConfig]):
    """Take everything."""

    async def export(self, batch: Batch) -> None:
        """Do nothing."""


HERE = "tests.gateway.config.support"
REGISTRY = Registry(
    {
        "receivers": {"otlp": f"{HERE}:Source"},
        "processors": {
            "sample": f"{HERE}:Sample",
            "memory_limiter": f"{HERE}:Limiter",
            "redaction": f"{HERE}:Limiter",
        },
        "exporters": {"sink": f"{HERE}:Sink"},
    }
)
FRAME = """\
receivers: {otlp: {}}
exporters: {sink: {}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [redaction, sample], exporters: [sink]}
processors:
  redaction: {}
"""
"""A configuration to which a test adds the settings of ``sample``, from line 8 on."""

FULL = FRAME + (
    "  sample:\n"
    "    on_error: drop\n"
    "    text: a $$ and $${env:X} ü\n"
    "    mode: fast\n"
    "    wait: 1500ms\n"
    "    file: key.pem\n"
    "    inner: [{name: 'yes'}, {name: '5', size: 7}]\n"
    "    by_key: {'on': {name: c}}\n"
    "    pair: [2, b]\n"
    "    id: '12'\n"
    "    side:\n"
    "    rule: {type: by_size, size: 3}\n"
)
"""A configuration that uses every kind of setting."""


class Loading:
    """Write files and load them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "gateway.yaml") -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def load(
        self,
        *texts: str,
        overrides: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        registry: Registry = REGISTRY,
    ) -> Settings:
        """Load texts as files, later ones above earlier ones."""
        paths = [self.write(text, f"{at or 'gateway'}.yaml") for at, text in enumerate(texts)]
        return load(paths, overrides, registry, environ or {})

    def problems(self, *texts: str, **options: Any) -> list[Problem]:
        """Return what is wrong with texts; fails where nothing is."""
        with pytest.raises(ConfigError) as caught:
            self.load(*texts, **options)
        return [
            problem._replace(where=problem.where.removeprefix(f"{self.folder}/"))
            for problem in caught.value.problems
        ]

    def sample(self, settings: str, **options: Any) -> SampleConfig:
        """Load settings of ``sample``."""
        config = self.load(FRAME + _indented(settings), **options).processors["sample"].config
        assert isinstance(config, SampleConfig)
        return config

    def sample_problems(self, settings: str, **options: Any) -> list[Problem]:
        """Return what is wrong with settings of ``sample``."""
        return self.problems(FRAME + _indented(settings), **options)


def _indented(settings: str) -> str:
    return "  sample:\n" + textwrap.indent(textwrap.dedent(settings).strip("\n"), "    ") + "\n"
