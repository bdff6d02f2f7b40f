"""Until when certificates are valid, as other libraries write them."""

import base64
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gateway.receivers.expiry import not_after

MOMENTS = [datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize("ends", [*MOMENTS, datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)], ids=str)
def test_the_end_is_found(ends: datetime) -> None:
    """Before 2050 the year has two digits, from then on four."""
    pem = trustme.CA().issue_cert("spangate.example", not_after=ends).cert_chain_pems[0].bytes()
    assert ends == not_after(pem)


def test_the_servers_own_certificate_counts() -> None:
    """A chain begins with it; those behind it are not asked."""
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    authority = trustme.CA()
    leaf = authority.create_child_ca().issue_cert("spangate.example", not_after=soon)
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    assert 1 < chain.count(b"BEGIN CERTIFICATE")
    assert soon == not_after(b"some words before\n" + chain)


def test_it_agrees_with_another_reader(tmp_path: Path) -> None:
    """What openssl writes reads as in the cryptography package."""
    path = tmp_path / "cert.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=a "
        f"-days 7 -keyout {tmp_path / 'key.pem'} -out {path}"
    )
    try:
        subprocess.run(command.split(), check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    pem = path.read_bytes()
    assert x509.load_pem_x509_certificate(pem).not_valid_after_utc == not_after(pem)


def test_what_is_no_certificate_is_refused() -> None:
    """A key, or nothing, has no end."""
    with pytest.raises(ValueError, match="no certificate"):
        not_after(b"-----BEGIN " + b"PRIVATE KEY-----\n")


@given(st.binary(max_size=300))
def test_rubbish_ends_in_an_error(data: bytes) -> None:
    """Cut or damaged DER gives an error that the caller expects, and no endless loop."""
    pem = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % base64.encodebytes(data)
    with pytest.raises((ValueError, IndexError)):
        not_after(pem)
