"""What finding components promises to those who write them."""

import sys
from pathlib import Path

import pytest

from gateway.plugin import Config, Exporter, Processor
from gateway.registry import (
    KINDS,
    BrokenComponentError,
    ComponentInfo,
    Registry,
    UnknownComponentError,
    config_type,
    summary,
)
from tests.gateway.config.support import REGISTRY, Sample, SampleConfig, Sink

DISTRIBUTION = "acme_spangate-1.0.dist-info"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder on the path that holds an installed package with a plugin."""
    (tmp_path / "acme_plugin.py").write_text(
        "from gateway.plugin import Config, Processor\n\n\n"
        "class Acme(Processor[Config]):\n"
        '    """Do what Acme does, well\n    and fast.\n\n    More.\n    """\n\n'
        '    stability = "stable"\n'
    )
    about = tmp_path / DISTRIBUTION
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-spangate\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[spangate.processors]\nacme = acme_plugin:Acme\nbroken = acme_absent:Broken\n"
        "[spangate.exporters]\ndebug = acme_plugin:Acme\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_finds_every_built_in_component() -> None:
    """What ships is announced as a user's plugin is, and can be imported."""
    registry = Registry()

    assert {"otlp"} <= set(registry.types("receivers"))
    assert {"mlflow", "otlp_http", "otlp_grpc", "file", "debug"} <= set(registry.types("exporters"))
    assert [] == [
        one for kind in KINDS for one in registry.all(kind) if one.error or not one.summary
    ]


@pytest.mark.usefixtures("installed")
def test_finds_plugins_by_entry_point() -> None:
    """An installed package is found by what it announces, and described by its class."""
    registry = Registry()

    assert "Acme" == registry.find("processors", "acme").__name__
    assert [
        ComponentInfo(
            type="acme",
            kind="processors",
            module="acme_plugin:Acme",
            stability="stable",
            summary="Do what Acme does, well and fast.",
        )
    ] == [one for one in registry.all("processors") if one.type == "acme"]


@pytest.mark.usefixtures("installed")
def test_lists_what_cannot_be_imported_with_the_reason() -> None:
    """A plugin that is broken is a line in the list, not an exception."""
    [broken] = [one for one in Registry().all("processors") if one.type == "broken"]

    assert broken.error is not None
    assert "cannot import acme_absent: " in broken.error
    with pytest.raises(BrokenComponentError, match="acme_absent"):
        Registry().find("processors", "broken")


@pytest.mark.usefixtures("installed")
def test_ours_keep_their_type_names() -> None:
    """A plugin that takes one of our names is listed as unusable under it, and ours stays."""
    registry = Registry()

    assert "exporters.debug" == registry.find("exporters", "debug").__module__
    [clash] = [one for one in registry.all("exporters") if one.module == "acme_plugin:Acme"]
    assert clash.error is not None
    assert "use: acme_plugin:Acme" in clash.error


def test_imports_nothing_before_it_is_asked_for() -> None:
    """Knowing the names costs no import."""
    Registry({"processors": {"x": "never_imported_module:X"}}).types("processors")

    assert "never_imported_module" not in sys.modules


def test_an_unknown_type_names_the_nearest() -> None:
    """The error says what was probably meant, else what there is."""
    with pytest.raises(UnknownComponentError, match='did you mean "sample"') as caught:
        REGISTRY.find("processors", "smaple")
    assert ["sample"] == caught.value.nearest

    with pytest.raises(UnknownComponentError, match="known types: sink"):
        REGISTRY.find("exporters", "zzz")


def test_a_component_must_be_of_the_right_kind() -> None:
    """An exporter announced as a processor is refused with the reason."""
    registry = Registry({"processors": {"wrong": f"{Sink.__module__}:Sink"}})

    with pytest.raises(BrokenComponentError, match="is a Exporter, not a Processor"):
        registry.find("processors", "wrong")


def test_a_file_is_loaded_once(tmp_path: Path) -> None:
    """The same ``use`` twice gives the same class, and files beside it can be imported."""
    (tmp_path / "beside_the_plugin.py").write_text("NAME = 'beside'\n")
    (tmp_path / "plug.py").write_text(
        "import beside_the_plugin\nfrom gateway.plugin import Config, Processor\n\n\n"
        "class Plug(Processor[Config]):\n    name = beside_the_plugin.NAME\n"
    )
    registry = Registry({})

    loaded = registry.load_use("./plug.py:Plug", tmp_path)

    assert "beside" == loaded.name  # type: ignore[attr-defined] # the plugin's own
    assert loaded is registry.load_use("./plug.py:Plug", tmp_path)


def test_settings_are_the_generic_parameter() -> None:
    """``Processor[X]`` has settings X, also through bases of one's own; none means none."""

    class Derived(Sample):
        """Inherit everything."""

    class Bare(Processor):  # type: ignore[type-arg] # authors may leave it out
        """Have no settings."""

    assert SampleConfig is config_type(Sample)
    assert SampleConfig is config_type(Derived)
    assert Config is config_type(Bare)


def test_settings_must_be_a_config() -> None:
    """Another class as settings is refused with what to do."""

    class Wrong(Exporter[int]):  # type: ignore[type-var] # that is the mistake
        """Have a number for settings."""

    class WrongToo(Exporter[dict[str, str]]):  # type: ignore[type-var] # that is the mistake
        """Have a mapping for settings."""

    with pytest.raises(BrokenComponentError, match=r"must derive from gateway\.plugin\.Config"):
        config_type(Wrong)
    with pytest.raises(BrokenComponentError, match=r"must derive from gateway\.plugin\.Config"):
        config_type(WrongToo)


def test_the_summary_is_the_first_paragraph() -> None:
    """A class without a docstring has an empty summary."""

    class Silent(Processor[Config]):
        pass

    assert "Do nothing, with many settings." == summary(Sample)
    assert "" == summary(Silent)


def test_only_classes_of_the_module_are_suggested(tmp_path: Path) -> None:
    """A base class that a plugin imports is not what its author meant."""
    (tmp_path / "mine.py").write_text("from gateway.plugin import Processor\n")

    with pytest.raises(BrokenComponentError, match=r"the module has no class Process$"):
        Registry({}).load_use("./mine.py:Process", tmp_path)
