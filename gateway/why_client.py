"""Ask a running gateway what became of a trace."""

import base64
import http.client
import urllib.error
import urllib.request

import msgspec

from gateway import endpoint
from gateway.config.settings import EndpointAuthConfig
from gateway.why import Story

TIMEOUT_S = 30.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to go there, not to listen
_decode = msgspec.json.Decoder(Story).decode


class Silent(Exception):  # noqa: N818 - not always an error: the gateway may be down on purpose
    """No gateway answers the question; says why."""


def address(status_endpoint: str) -> str:
    """Return the address of a status page on this machine; empty if only the system knows it."""
    host, port = endpoint.split(status_endpoint)
    return f"http://{endpoint.join(_ANYWHERE.get(host, host), port)}" if port else ""


def ask(url: str, trace_id: bytes, auth: EndpointAuthConfig | None) -> Story:
    """
    Return what the gateway says.

    Raises:
        Silent: it does not answer.

    """
    if not url:
        raise Silent("service.telemetry.status.endpoint has port 0; name the address with --url")
    if not url.startswith(("http://", "https://")):
        url = f"http://{url}"
    question = urllib.request.Request(  # noqa: S310 - http alone, see above
        f"{url.rstrip('/')}/why.json?trace={trace_id.hex()}", headers=_credentials(auth)
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(question, timeout=TIMEOUT_S) as answer:
            return _decode(answer.read())
    except urllib.error.HTTPError as error:
        raise Silent(f"{url} answered {error.code}: {_reason(error.read())}") from None
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        reason = getattr(error, "reason", error)
        raise Silent(f"no gateway answers at {url}: {reason}") from None


def _credentials(auth: EndpointAuthConfig | None) -> dict[str, str]:
    if auth is None:
        return {}
    if auth.token is not None and auth.token:
        return {"Authorization": f"Bearer {auth.token.reveal()}"}
    if auth.basic is None:
        return {}
    pair = f"{auth.basic.username}:{auth.basic.password.reveal()}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _reason(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body, type=dict[str, str])["error"])
    except (msgspec.DecodeError, KeyError):
        return "no reason given"
