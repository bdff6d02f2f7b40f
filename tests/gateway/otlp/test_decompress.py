"""What bounded decompression promises."""

import contextlib
import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.otlp.decompress import MAX_MEMBERS, check_encoding, decompress, grpc_encoding
from gateway.otlp.status import Refusal

MIB = 1024 * 1024
CODECS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("encoding", CODECS)
@given(data=st.binary(max_size=3000), repeat=st.integers(1, 200))
def test_gives_back_what_was_compressed(encoding: str, data: bytes, repeat: int) -> None:
    """Whatever was compressed comes out again."""
    assert data * repeat == decompress(CODECS[encoding](data * repeat), encoding, MIB)


@pytest.mark.parametrize("encoding", CODECS)
@given(data=st.data())
def test_every_truncation_is_refused(encoding: str, data: st.DataObject) -> None:
    """Data that ends early is 400 wherever it ends."""
    whole = CODECS[encoding](bytes(range(256)) * 20)
    cut = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(Refusal) as caught:
        decompress(whole[:cut], encoding, MIB)

    assert 400 == caught.value.kind.http


@pytest.mark.parametrize("encoding", CODECS)
@given(noise=st.binary(max_size=200))
def test_noise_is_refused_or_read(encoding: str, noise: bytes) -> None:
    """Arbitrary bytes give an answer or a refusal, nothing else."""
    with contextlib.suppress(Refusal):
        decompress(noise, encoding, MIB)


@pytest.mark.parametrize("encoding", CODECS)
def test_cap_is_exact(encoding: str) -> None:
    """As many bytes as the cap are allowed, one more is not."""
    compress = CODECS[encoding]

    assert MIB == len(decompress(compress(bytes(MIB)), encoding, MIB))
    with pytest.raises(Refusal) as caught:
        decompress(compress(bytes(MIB + 1)), encoding, MIB)
    assert 413 == caught.value.kind.http


@pytest.mark.parametrize("encoding", CODECS)
def test_bomb_costs_no_more_than_the_cap(encoding: str) -> None:
    """A bomb is given up before it takes much more memory than the cap."""
    bomb = CODECS[encoding](bytes(100 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(Refusal):
            decompress(bomb, encoding, 2 * MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 16 * MIB


def test_growth_is_announced() -> None:
    """Each piece is announced, so that a budget can stop the growth."""
    sizes: list[int] = []
    decompress(gzip.compress(bytes(MIB)), "gzip", MIB, sizes.append)

    assert MIB == sum(sizes)
    assert len(sizes) > 1


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_number_of_members_is_bounded(encoding: str) -> None:
    """Chained members are read, but not without end."""
    member = CODECS[encoding](b"a")

    assert b"a" * MAX_MEMBERS == decompress(member * MAX_MEMBERS, encoding, MIB)
    with pytest.raises(Refusal, match="members"):
        decompress(member * (MAX_MEMBERS + 1), encoding, MIB)


def test_large_zstd_windows_are_refused() -> None:
    """A frame that asks for a huge window is refused before it gets one."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = compressor.compress(b"a" * 1000) + compressor.flush()

    with pytest.raises(Refusal, match="memory"):
        decompress(frame, "zstd", MIB)


@pytest.mark.parametrize(
    ("name", "encoding"), [("", ""), ("Identity", ""), (" GZIP ", "gzip"), ("Zstd", "zstd")]
)
def test_encoding_names(name: str, encoding: str) -> None:
    """Case and white space around an encoding do not matter."""
    assert encoding == check_encoding(name)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"a", mtime=0), "gzip"),
        (zlib.compress(b"a"), "deflate"),
        (b"\x0a\x00", ""),
        (b"", ""),
        (b"x", ""),
    ],
)
def test_grpc_messages_show_their_compression(body: bytes, encoding: str) -> None:
    """A message's first bytes tell how it was compressed."""
    assert encoding == grpc_encoding(body)
