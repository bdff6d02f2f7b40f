"""Until when a certificate is valid; Python's ssl tells it of the other side's only."""

import re
import ssl
from datetime import UTC, datetime

_CONTEXT_0, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def not_after(pem: bytes) -> datetime:
    """
    Return when the first certificate of a PEM file ends.

    Raises:
        ValueError: there is none.

    Source: RFC 5280, sections 4.1 and 4.1.2.5.

    """
    found = _PEM.search(pem)
    if found is None:
        raise ValueError("no certificate in PEM")
    certificate = _children(ssl.PEM_cert_to_DER_cert(found[0].decode("ascii")))[0][1]
    fields = _children(_children(certificate)[0][1])
    if fields[0][0] == _CONTEXT_0:  # the version, which the oldest leave out
        fields = fields[1:]
    _serial, _algorithm, _issuer, validity = fields[:4]
    tag, end = _children(validity[1])[1]
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("no end in the certificate's validity")
    text = end.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _children(data: bytes) -> list[tuple[int, bytes]]:
    """Return tag and content of each value in a piece of DER."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at + 2 <= len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            octets = size & 0x7F
            size = int.from_bytes(data[at : at + octets])
            at += octets
        found.append((tag, data[at : at + size]))
        at += size
    if not found:
        raise ValueError("the certificate is cut off")
    return found
