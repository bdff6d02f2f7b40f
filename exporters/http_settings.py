"""Turn an HTTP exporter's settings into what a connection needs, with errors that name the key."""

import ssl
import urllib.request

from multidict import CIMultiDict
from yarl import URL

from gateway.plugin import ClientTlsConfig, HttpExporterConfig
from gateway.version import __version__


def parse_url(text: str) -> URL:
    """
    Return an ``http`` or ``https`` address.

    Raises:
        ValueError: it is none.

    """
    url = URL()
    try:
        url = URL(text)
        usable = url.scheme in ("http", "https") and bool(url.host) and url.port is not None
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(
            f'expected an address such as "http://backend:4318", found "{without_secrets(text)}"'
        )
    return url


def without_secrets(text: str) -> str:
    """Return an address without what may be a password in it, whatever its form."""
    scheme, separator, rest = text.rpartition("://")
    place = rest.partition("?")[0].rpartition("@")[2]
    return scheme + separator + place


def reveal_headers(config: HttpExporterConfig) -> CIMultiDict[str]:
    """
    Reveal the configured headers, and add our name; the only place that reveals them.

    Raises:
        ValueError: a value would break the request.

    """
    headers = CIMultiDict({"User-Agent": f"Spangate/{__version__}"})
    for name, secret in config.headers.items():
        value = secret.reveal().strip()  # a value read from a file ends in a line break
        if any(ord(char) < 0x20 and char != "\t" for char in value):
            raise ValueError(f"headers.{name}: the value must not hold line breaks")
        headers[name] = value
    return headers


def tls_context(config: ClientTlsConfig) -> ssl.SSLContext:
    """
    Return how the certificates of servers are checked, and ours shown.

    Raises:
        ValueError: a certificate file cannot be used.

    """
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:
        raise ValueError(f"tls.ca_file: cannot use {config.ca_file}: {error}") from error
    if config.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if config.cert_file is not None:
        try:
            context.load_cert_chain(config.cert_file, config.key_file)
        except OSError as error:
            raise ValueError(
                f"tls.cert_file, tls.key_file: cannot use {config.cert_file} with "
                f"{config.key_file}: {error}"
            ) from error
    return context


def environment_proxy(url: URL) -> str | None:
    """
    Return the proxy that ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` name for an address.

    The loopback never goes through one, as in Go's clients. (aiohttp's ``trust_env`` would also
    send the credentials of a ``.netrc`` file.)
    """
    host = url.host or ""
    if host in ("localhost", "::1") or host.startswith("127."):
        return None
    if urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(url.scheme)
