"""Settings are one struct that YAML can hold, and that can be written down and read again."""

from typing import Any

import msgspec

from gateway.config.types import Config, Secret, from_yaml, to_plain
from gateway.contract.report import Report
from gateway.plugin import Component


def check_settings(report: Report, component: Component[Any]) -> None:
    """Write the settings as YAML would hold them and read them again."""
    config = component.config
    if not isinstance(config, Config):
        report.add(
            "self.config",
            f"is of type {type(config).__name__}",
            "derive them from gateway.plugin.Config, and call super().__init__(config)",
            type(component).__init__,
        )
        return
    kind = type(config)
    again = report.attempt("writing the settings and reading them again", lambda: _again(config))
    if again is not None and again != config:
        different = [
            name for name in kind.__struct_fields__ if getattr(again, name) != getattr(config, name)
        ]
        report.add(
            f"{', '.join(different)} of {kind.__name__}",
            "is not what it was once written and read",
            "use types that YAML holds: texts, numbers, lists, mappings, Duration, Secret, Config",
        )
    if not kind.__struct_config__.forbid_unknown_fields:
        report.add(
            kind.__name__,
            "takes settings that it does not know",
            "leave forbid_unknown_fields alone, so that a misspelt setting is an error",
        )


def _again(config: Config) -> Config:
    plain = msgspec.to_builtins(config, enc_hook=_revealed)
    again = msgspec.convert(plain, type(config), dec_hook=from_yaml)
    again.validate()
    return again


def _revealed(value: object) -> object:
    return value.reveal() if isinstance(value, Secret) else to_plain(value)
