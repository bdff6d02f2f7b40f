"""Write settings as YAML that can be loaded again, with every default and no secret."""

from typing import Any

import msgspec
import yaml

from gateway.config.field_docs import own_first
from gateway.config.problems import without_password
from gateway.config.settings import ComponentSettings, Settings
from gateway.config.types import Duration, FilePath, Secret


def to_yaml(settings: Settings) -> str:
    """
    Return a configuration with its defaults; secrets are ``****``.

    Settings that are unset are left out, since a key with nothing after it may mean something.
    """
    whole: dict[str, Any] = {}
    for kind in ("receivers", "processors", "exporters"):
        components: dict[str, ComponentSettings] = getattr(settings, kind)
        whole[kind] = {name: _component(one) for name, one in components.items()}
    whole["service"] = to_plain(settings.service)
    return yaml.dump(
        whole, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False
    )


def _component(settings: ComponentSettings) -> Any:
    own: dict[str, Any] = {} if settings.use is None else {"use": _escaped(settings.use)}
    if settings.on_error is not None:
        own["on_error"] = settings.on_error
    return {**own, **to_plain(settings.config)}


def to_plain(value: Any) -> Any:
    """Return a setting as YAML holds it; dollar signs are escaped, secrets are masked."""
    if isinstance(value, msgspec.Struct):
        return _struct(value)
    if isinstance(value, dict):
        return {key: to_plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(one) for one in value]
    if isinstance(value, Duration | Secret):
        return str(value)
    if isinstance(value, FilePath | str):
        return _escaped(without_password(value))
    if isinstance(value, float) and value.is_integer():
        return int(value)  # as the default is written, so that printing again changes nothing
    if value is None or isinstance(value, bool | int | float):
        return value
    return to_plain(msgspec.to_builtins(value))


def _struct(value: msgspec.Struct) -> dict[str, Any]:
    config = value.__struct_config__
    found: dict[str, Any] = {config.tag_field: config.tag} if config.tag_field else {}
    written = dict(zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True))
    for name in own_first(type(value)):
        inside = getattr(value, name)
        if inside is not None and inside is not msgspec.UNSET:
            found[written[name]] = to_plain(inside)
    return found


def _escaped(text: str) -> str:
    return text.replace("$", "$$")


_RARE_BREAKS = frozenset("\x85\u2028\u2029")


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, and never writes aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - the signature is PyYAML's
        return super().increase_indent(flow, indentless=False)

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Quote the line breaks that PyYAML would fold away in other styles."""
        style = '"' if _RARE_BREAKS.intersection(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


_Dumper.add_representer(str, _Dumper.represent_str)
