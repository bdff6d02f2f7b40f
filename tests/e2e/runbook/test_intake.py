"""What the runbook promises of alerts about gateways and senders: following the page ends them."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from gateway.testing import batch
from tests.e2e.prometheus import PROMETHEUS, until
from tests.e2e.runbook.stage import staged

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed"),
    pytest.mark.timeout(240),
]
PLUGIN = """
from gateway.plugin import Batch, Config, Processor

class Team(Processor[Config]):
    def process(self, batch: Batch) -> Batch:
        for span in batch:
            span.attributes["team"] = TEAM
        return batch
"""


async def test_down(tmp_path: Path) -> None:
    """A gateway that does not start says where its configuration is wrong; mended, it starts."""
    async with staged(tmp_path, "SpangateDown") as stage:
        stage.exporter["endpont"] = stage.exporter.pop("endpoint")
        stage.write()
        async with stage.watched():
            await stage.fires()
            ended = await stage.call("run", "--config", "gateway.yaml")
            told = await stage.run("spangate validate --config gateway.yaml")
            stage.exporter["endpoint"] = stage.exporter.pop("endpont")
            stage.write()
            right = await stage.run("spangate validate --config gateway.yaml")
            await stage.start()
            await stage.ends()

    assert (2, 2, 0) == (ended.code, told.code, right.code)
    for said in (ended.err, told.err):
        assert "gateway.yaml:" in said
        assert "exporters.mlflow.endpont" in said


async def test_refusing_spans(tmp_path: Path) -> None:
    """A full queue refuses until what is behind it is mended; who comes back loses nothing."""
    async with staged(tmp_path, "SpangateRefusingSpans") as stage:
        stage.exporter["sending_queue"]["max_size_mib"] = 1
        stage.mlflow.gate.clear()
        await stage.start()
        large = batch({"text": "x" * 300_000})
        async with stage.watched(), stage.sending(lambda: batch({"text": "x" * 100_000})):
            await stage.fires()
            assert 429 == await stage.send(large)
            stage.mlflow.gate.set()
            await stage.ends()
            assert 200 == await stage.send(large)


async def test_refusing_spans_over_quota(tmp_path: Path) -> None:
    """A quota that is raised refuses no longer; the configuration is taken up while it runs."""
    async with staged(tmp_path, "SpangateRefusingSpans") as stage:
        tenant = {"name": "web", "tokens": ["fake-" + "token"], "quota": {"spans_per_second": 1}}
        stage.config["receivers"]["otlp"]["auth"] = {"tenants": [tenant]}
        await stage.start()
        stage.http.headers["Authorization"] = "Bearer fake-" + "token"
        async with stage.watched(), stage.sending(lambda: batch({}, {}, {})):
            await stage.fires()
            tenant["quota"] = {"spans_per_second": 1000}
            stage.reload()
            await stage.ends()


async def test_rejecting_spans(tmp_path: Path) -> None:
    """A limit that is raised lets through what was too large."""
    async with staged(tmp_path, "SpangateRejectingSpans") as stage:
        stage.protocol["max_request_body_size_mib"] = 1
        await stage.start()
        large = batch({"text": "x" * 1_500_000})
        async with stage.watched():
            assert 413 == await stage.send(large)
            await stage.fires()
            assert [1.0] == await stage.prometheus.value(
                'spangate_receiver_refused_spans_total{reason="too_large"}'
            )
            stage.protocol["max_request_body_size_mib"] = 4
            stage.reload()

            async def is_taken() -> bool:
                return 200 == await stage.send(large)

            await until(is_taken)
            await stage.ends()


async def test_processor_failing(tmp_path: Path) -> None:
    """``try`` shows the fault with the request at hand; the plugin as it was before ends it."""
    plugin = tmp_path / "team.py"
    plugin.write_text(PLUGIN)
    async with staged(tmp_path, "SpangateProcessorFailing") as stage:
        request = batch({})
        (tmp_path / "request.bin").write_bytes(request.encode())
        stage.config["processors"]["team"] = {"use": "./team.py:Team"}
        stage.processors.append("team")
        await stage.start()
        async with stage.watched():
            assert 400 == await stage.send(request)
            await stage.fires()
            told = await stage.run(
                "spangate try --config FILE REQUEST", FILE="gateway.yaml", REQUEST="request.bin"
            )
            plugin.write_text(PLUGIN.replace("TEAM", '"search"'))
            stage.reload()

            async def is_taken() -> bool:
                return 200 == await stage.send(request)

            await until(is_taken)
            await stage.ends()

    assert 1 == told.code
    assert "NameError" in told.err
    assert "team.py:7" in told.err


async def test_reload_failed(tmp_path: Path) -> None:
    """``validate`` names the mistake, and a reload without it ends the alert."""
    async with staged(tmp_path, "SpangateReloadFailed") as stage:
        await stage.start()
        stage.exporter["timeout"] = "soon"
        stage.reload()
        async with stage.watched():
            await stage.fires()
            told = await stage.run("spangate validate --config /etc/spangate/config/gateway.yaml")
            stage.exporter["timeout"] = "10s"
            stage.reload()
            await stage.ends()

    assert 2 == told.code
    assert "timeout" in told.err


async def test_certificate_ending(tmp_path: Path) -> None:
    """Renewed files are read again when a client connects, and the metric follows."""

    def renew(days: int) -> None:
        cert = authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=days))
        cert.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
        cert.private_key_pem.write_to_path(str(tmp_path / "key.pem"))

    authority = trustme.CA()
    renew(7)
    async with staged(tmp_path, "SpangateCertificateEnding") as stage:
        stage.protocol["tls"] = {
            "cert_file": "cert.pem",
            "key_file": "key.pem",
            "reload_interval": "100ms",
        }
        await stage.start()
        async with stage.watched():
            await stage.fires()
            config = await stage.run(
                "spangate print-config --config /etc/spangate/config/gateway.yaml"
            )
            renew(90)
            trust = ssl.create_default_context()
            authority.configure_trust(trust)
            secure = stage.gateway.traces.replace("http:", "https:")
            async with stage.http.post(secure, data=b"", ssl=trust) as answer:
                taken = answer.status
            await stage.ends()

    assert "cert.pem" in config.out
    assert 415 == taken  # which needs a connection; nothing else is asked for
