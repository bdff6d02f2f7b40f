"""
Trace requests between OTLP JSON and protobuf.

OTLP JSON is protobuf's JSON mapping with hex trace and span ids and numeric enums. Both
directions are driven by tables built from the message descriptors.

Source: OTLP specification, "JSON Protobuf Encoding"; protobuf's "ProtoJSON Format".
"""

import base64
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MAX_DEPTH = 100
"""Messages inside one another; the protobuf parser allows no more either."""

_IDS = ("trace_id", "span_id", "parent_span_id")
_ID_SIZES = (8, 16)
_HEX = re.compile(r"[0-9a-fA-F]*")
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_WIDE = (
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED64,
    FieldDescriptor.TYPE_SINT64,
)
_REAL = (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)
_SPECIAL_REALS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_Convert: TypeAlias = Callable[[Any], Any]
_Read: TypeAlias = Callable[[Any, Any, int], None]
_Write: TypeAlias = Callable[[Any], object]


class JsonError(ValueError):
    """A body is no OTLP JSON; the text says where and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self._reason = reason
        self._path: list[str] = []

    def inside(self, step: str) -> None:
        """Say that the error is inside a field or an element."""
        self._path.append(step)

    def __str__(self) -> str:
        path = "".join(reversed(self._path)).lstrip(".")
        return f"{path}: {self._reason}" if path else self._reason


def decode_request(data: bytes) -> ExportTraceServiceRequest:
    """
    Return the request that ``data`` says.

    Ids keep the length they have, so that the caller can refuse single spans.

    Raises:
        JsonError: no JSON, or of another shape; with the path of what is wrong.

    """
    try:
        value = msgspec.json.decode(data)
    except RecursionError:
        raise JsonError("the JSON is nested too deeply") from None
    except ValueError as error:
        raise JsonError(f"not valid JSON: {error}") from error
    request = ExportTraceServiceRequest()
    _read_message(_READERS[request.DESCRIPTOR.full_name], request, value, 1)
    return request


def encode_request(message: ExportTraceServiceRequest) -> dict[str, Any]:
    """Return the request as OTLP JSON: hex ids, 64-bit integers as text, enums as numbers."""
    return _plain(message)


def _name(value: object) -> str:
    """Return what JSON calls the type of a value."""
    if isinstance(value, bool):
        return "a boolean"
    names = {
        str: "a string",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(value), "null")


def _wrong(expected: str, value: object) -> JsonError:
    return JsonError(f"expected {expected}, found {_name(value)}")


def _inside(step: str, error: ValueError) -> JsonError:
    wrapped = JsonError(str(error))
    wrapped.inside(step)
    return wrapped


def _read_message(readers: Mapping[str, _Read], message: Any, value: Any, depth: int) -> None:
    if type(value) is not dict:
        raise _wrong("an object", value)
    if depth > MAX_DEPTH:
        raise JsonError(f"nested more than {MAX_DEPTH} messages deep")
    for name, item in value.items():
        reader = readers.get(name)
        if reader is None or item is None:
            continue
        try:
            reader(message, item, depth)
        except JsonError as error:
            error.inside(f".{name}")
            raise
        except ValueError as error:  # what upb itself refuses: out of range, not UTF-8
            raise _inside(f".{name}", error) from error


def _reader(field: FieldDescriptor) -> _Read:
    if field.message_type is not None:
        readers = _READERS.get(field.message_type.full_name)
        if readers is None:
            readers = _build_readers(field.message_type)
        return (
            _messages(field.name, readers) if field.is_repeated else _message(field.name, readers)
        )
    convert = _converter(field)
    if field.is_repeated:
        return _scalars(field.name, convert)
    name = field.name
    return lambda message, value, _: setattr(message, name, convert(value))


def _message(name: str, readers: Mapping[str, _Read]) -> _Read:
    def read(message: Any, value: Any, depth: int) -> None:
        child = getattr(message, name)
        child.SetInParent()
        _read_message(readers, child, value, depth + 1)

    return read


def _messages(name: str, readers: Mapping[str, _Read]) -> _Read:
    def read(message: Any, value: Any, depth: int) -> None:
        add = getattr(message, name).add
        for at, item in enumerate(_list(value)):
            child = add()
            if item is None:
                continue
            try:
                _read_message(readers, child, item, depth + 1)
            except JsonError as error:
                error.inside(f"[{at}]")
                raise

    return read


def _scalars(name: str, convert: _Convert) -> _Read:
    def read(message: Any, value: Any, _: int) -> None:
        append = getattr(message, name).append
        for at, item in enumerate(_list(value)):
            try:
                append(convert(item))
            except ValueError as error:
                raise _inside(f"[{at}]", error) from error

    return read


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise _wrong("an array", value)
    return value


def _converter(field: FieldDescriptor) -> _Convert:
    kind = field.type
    if kind == FieldDescriptor.TYPE_STRING:
        return _text
    if kind == FieldDescriptor.TYPE_BOOL:
        return _boolean
    if kind == FieldDescriptor.TYPE_BYTES:
        return _hex if field.name in _IDS else _base64
    if kind in _REAL:
        return _real
    if field.enum_type is not None:
        return _enum(field.enum_type)
    return _integer


def _text(value: Any) -> str:
    if type(value) is not str:
        raise _wrong("a string", value)
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise _wrong("true or false", value)
    return value


def _integer(value: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is str and _INTEGER.fullmatch(value):
        return int(value)
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) in (str, float):
        raise JsonError(f"expected an integer, found {str(value)[:40]!r}")
    raise _wrong("an integer", value)


def _real(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError as error:
            raise JsonError("the number is out of range") from error
    if type(value) is not str:
        raise _wrong("a number", value)
    special = _SPECIAL_REALS.get(value)
    if special is not None:
        return special
    try:
        number = msgspec.json.decode(value)
    except (ValueError, RecursionError):
        number = None
    if type(number) not in (int, float):
        raise JsonError(f"expected a number, found {value[:40]!r}")
    return _real(number)


def _hex(value: Any) -> bytes:
    text = _text(value)
    if not _HEX.fullmatch(text):
        raise JsonError(f"expected hexadecimal digits, found {text[:40]!r}")
    if len(text) % 2 == 0:
        return bytes.fromhex(text)
    half = bytes.fromhex(text + "0")  # half a byte is a wrong length, and must stay one
    return half + b"\0" if len(half) in _ID_SIZES else half


def _base64(value: Any) -> bytes:
    text = _text(value).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise JsonError(f"expected base64, found {text[:40]!r}") from error


def _enum(descriptor: EnumDescriptor) -> _Convert:
    numbers = {value.name: value.number for value in descriptor.values}

    def convert(value: Any) -> int:
        if type(value) is not str:
            return _integer(value)
        number = numbers.get(value)
        if number is None:
            raise JsonError(
                f"expected one of {', '.join(numbers)} or a number, found {value[:40]!r}"
            )
        return number

    return convert


def _build_readers(descriptor: Descriptor) -> dict[str, _Read]:
    """Build the table of a message type and of those below it; types may contain themselves."""
    readers = _READERS[descriptor.full_name] = {}
    for field in descriptor.fields:
        readers[field.name] = readers[field.json_name] = _reader(field)
    return readers


def _plain(message: Message) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field, value in message.ListFields():
        found = _WRITERS.get(field.full_name)
        if found is None:
            found = _WRITERS[field.full_name] = (field.json_name, _writer(field))
        name, write = found
        out[name] = write(value)
    return out


def _writer(field: FieldDescriptor) -> _Write:
    one = _one_writer(field)
    if one is None:
        return list if field.is_repeated else lambda value: value
    return (lambda values: [one(value) for value in values]) if field.is_repeated else one


def _one_writer(field: FieldDescriptor) -> _Write | None:
    """Return how one value of a field is written; ``None`` where it stays as it is."""
    if field.message_type is not None:
        return _plain
    if field.type in _WIDE:
        return str
    if field.type in _REAL:
        return _plain_real
    if field.type == FieldDescriptor.TYPE_BYTES:
        return bytes.hex if field.name in _IDS else lambda value: base64.b64encode(value).decode()
    return None


def _plain_real(value: float) -> float | str:
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


_READERS: dict[str, dict[str, _Read]] = {}
_WRITERS: dict[str, tuple[str, _Write]] = {}
_build_readers(ExportTraceServiceRequest.DESCRIPTOR)
