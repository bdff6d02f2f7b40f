"""
Bounded decompression of request bodies.

Output is produced in pieces and checked before each further one, so that a decompression bomb
costs no more memory than the cap.
"""

from collections.abc import Callable, Generator, Iterator

import zstandard
from isal import isal_zlib
from isal.igzip_lib import IsalError

from gateway.otlp.status import MALFORMED, TOO_LARGE, UNSUPPORTED, Refusal

ENCODINGS = ("gzip", "deflate", "zlib", "zstd")
PIECE = 256 * 1024
INPUT_STEP = 64 * 1024
ZSTD_INPUT_STEP = 128
MAX_MEMBERS = 1024  # chained empty members are a cheap way to keep a processor busy
ZSTD_MAX_WINDOW = 8 * 1024 * 1024  # what RFC 8878 asks every decoder to support
GZIP_MAGIC = b"\x1f\x8b"

_GZIP_WBITS = 31
_ZLIB_WBITS = 15
_RAW_WBITS = -15

_Grow = Callable[[int], None]


def check_encoding(name: str) -> str:
    """
    Return a ``Content-Encoding`` in lower case; ``""`` where the body is not compressed.

    Raises:
        Refusal: the encoding is unknown, or several are stacked.

    """
    encoding = name.strip().lower()
    if encoding in ("", "identity"):
        return ""
    if encoding not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        raise Refusal(
            UNSUPPORTED, f'Content-Encoding "{name}" is not supported, use one of {known}'
        )
    return encoding


def grpc_encoding(body: bytes) -> str:
    """
    Tell how a gRPC message was compressed; ``""`` where it was not.

    No trace request begins like a gzip member (a wire type that does not exist) nor like a zlib
    header (a field that OTLP does not have).
    """
    if body[:2] == GZIP_MAGIC:
        return "gzip"
    if len(body) > 2 and body[0] == 0x78 and int.from_bytes(body[:2], "big") % 31 == 0:
        return "deflate"
    return ""


def decompress(data: bytes, encoding: str, max_bytes: int, grow: _Grow = lambda _: None) -> bytes:
    """
    Return the decompressed body.

    Args:
        data: the body as received.
        encoding: what :func:`check_encoding` returned.
        max_bytes: size at the most.
        grow: called with the size of each piece before the next one is made; may raise.

    Raises:
        Refusal: the data is corrupt, ends early, has a tail, or is larger than ``max_bytes``.

    """
    if encoding == "zstd":
        pieces = _zstd(data)
    elif encoding == "gzip":
        pieces = _gzip(data)
    else:
        pieces = _deflate(data)
    out: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            size += len(piece)
            if size > max_bytes:
                raise Refusal(
                    TOO_LARGE,
                    f"the body is larger than {max_bytes} bytes once decompressed: send fewer "
                    "spans at once",
                )
            grow(len(piece))
            out.append(piece)
    except (IsalError, zstandard.ZstdError) as error:  # type: ignore[misc] # isal's stub is wrong
        raise Refusal(MALFORMED, f"the {encoding} data is corrupt: {error}") from error
    return out[0] if len(out) == 1 else b"".join(out)


def _inflate(data: bytes, at: int, wbits: int, encoding: str) -> Generator[bytes, None, int]:
    """Yield what the stream at ``at`` holds and return where it ends."""
    inflater = isal_zlib.decompressobj(wbits=wbits)
    pending = b""
    while not inflater.eof:
        if not pending:
            pending = data[at : at + INPUT_STEP]
            at += len(pending)
        piece = inflater.decompress(pending, PIECE)
        if piece:
            yield piece
        elif not pending:
            raise _early_end(encoding)
        pending = inflater.unconsumed_tail
    return at - len(inflater.unused_data)


def _gzip(data: bytes) -> Iterator[bytes]:
    """Yield what one or several gzip members hold; RFC 1952 allows to chain them."""
    at = 0
    for _ in range(MAX_MEMBERS):
        at = yield from _inflate(data, at, _GZIP_WBITS, "gzip")
        if at == len(data):
            return
    raise _too_many_members("gzip")


def _deflate(data: bytes) -> Iterator[bytes]:
    """Yield what a zlib stream holds, or the raw deflate that some clients send instead."""
    has_header = len(data) > 1 and data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0
    end = yield from _inflate(data, 0, _ZLIB_WBITS if has_header else _RAW_WBITS, "deflate")
    if end != len(data):
        raise Refusal(MALFORMED, "the deflate data is followed by something else")


def _zstd(data: bytes) -> Iterator[bytes]:
    """
    Yield what one or several zstd frames hold.

    The library cannot bound its output, so that small steps of input have to: a step holds at
    the most 43 blocks of 128 KiB.
    """
    context = zstandard.ZstdDecompressor(max_window_size=ZSTD_MAX_WINDOW)
    at = 0
    for _ in range(MAX_MEMBERS):
        frame = context.decompressobj()
        while not frame.eof:
            if at >= len(data):
                raise _early_end("zstd")
            piece = frame.decompress(data[at : at + ZSTD_INPUT_STEP])
            at += ZSTD_INPUT_STEP
            if piece:
                yield piece
        at = min(at, len(data)) - len(frame.unused_data)
        if at == len(data):
            return
    raise _too_many_members("zstd")


def _early_end(encoding: str) -> Refusal:
    return Refusal(MALFORMED, f"the {encoding} data ends early")


def _too_many_members(encoding: str) -> Refusal:
    return Refusal(MALFORMED, f"the {encoding} data has more than {MAX_MEMBERS} members")
