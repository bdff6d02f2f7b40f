"""What the recorder of instrumentations promises."""

import gzip
import threading
import urllib.request
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.testing import batch
from tests.record import Recorder


@pytest.mark.parametrize("kind", ["protobuf", "gzip", "json"])
def test_requests_are_joined(tmp_path: Path, kind: str) -> None:
    """Whatever an exporter sends, in any encoding, is in the file."""
    sent = [batch({"a": 1}), batch({"b": 2})]
    with Recorder(("127.0.0.1", 0)) as recorder:
        serving = threading.Thread(target=recorder.serve_forever)
        serving.start()
        for one in sent:
            headers = {"Content-Type": "application/x-protobuf"}
            body = one.encode()
            if kind == "json":
                body, headers = one.to_json().encode(), {"Content-Type": "application/json"}
            if kind == "gzip":
                body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
            url = f"http://127.0.0.1:{recorder.server_port}/v1/traces"
            asked = urllib.request.Request(url, body, headers)
            with urllib.request.urlopen(asked, timeout=20) as answer:
                assert 200 == answer.status
        recorder.shutdown()
        serving.join()
        path = recorder.save("some", tmp_path)

    expected = ExportTraceServiceRequest.FromString(sent[0].encode())
    expected.MergeFrom(ExportTraceServiceRequest.FromString(sent[1].encode()))
    assert expected == ExportTraceServiceRequest.FromString(gzip.decompress(path.read_bytes()))
