"""What the example programs promise: every language's SDK reaches the gateway unharmed."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.recording import Recording

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.timeout(300)]

Program = Callable[[str], tuple[Path, list[str]]]

AGENT = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.agent.name": "example",
    "gen_ai.conversation.id": "session-1",
}
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 5,
}
QUESTION = {"role": "user", "parts": [{"type": "text", "content": "Why is the sky blue?"}]}
ANSWER = {"role": "assistant", "parts": [{"type": "text", "content": "Rayleigh scattering."}]}

LANGUAGES = ("python", "node", "java", "go")
CASES = [(language, protocol) for language in LANGUAGES for protocol in ("grpc", "http/protobuf")]


async def run(program: tuple[Path, list[str]], environment: dict[str, str]) -> None:
    folder, command = program
    outside = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={**outside, **environment}
    )
    try:
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(("language", "protocol"), [*CASES, ("node", "http/json")])
async def test_spans_arrive_exactly(
    language: str, protocol: str, gateway: Recording, program: Program
) -> None:
    """Two spans arrive once each, with their parents, their attributes and their types."""
    example, started_s = program(language), time.time()

    await run(example, gateway.environment(protocol))

    spans = {span.name: span for span in gateway.spans}
    assert ["chat gpt-4o-mini", "invoke_agent example"] == sorted(s.name for s in gateway.spans)
    agent, chat = spans["invoke_agent example"], spans["chat gpt-4o-mini"]
    assert agent.is_root
    assert (agent.trace_id, agent.span_id) == (chat.trace_id, chat.parent_span_id)
    texts = ("gen_ai.input.messages", "gen_ai.output.messages")
    assert dict(agent.attributes).items() >= AGENT.items()
    assert dict(chat.attributes).items() >= CHAT.items()
    assert [[QUESTION], [ANSWER]] == [chat.attributes.json(key) for key in texts]
    assert {int} == {type(chat.attributes[key]) for key in CHAT if "usage" in key}
    assert "example" == chat.scope.name
    for span in spans.values():
        # A second of room: each SDK has a way of its own to make nanoseconds.
        assert started_s - 1 <= span.peek.start_time_unix_nano / 1e9 <= time.time() + 1
        assert span.peek.start_time_unix_nano <= span.peek.end_time_unix_nano


@pytest.mark.parametrize(("language", "protocol"), CASES)
async def test_standard_variables_reach_the_gateway(
    language: str, protocol: str, gateway: Recording, program: Program
) -> None:
    """Service name, resource attributes and the experiment header come as the variables say."""
    environment = {
        "OTEL_SERVICE_NAME": f"example-{language}",
        "OTEL_RESOURCE_ATTRIBUTES": "team=physics,mlflow.experiment=optics",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-mlflow-experiment-id=7",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    }

    await run(program(language), {**gateway.environment(protocol), **environment})

    (batch,) = gateway.batches
    (resource,) = batch.resources
    expected = {
        "service.name": f"example-{language}", "team": "physics", "mlflow.experiment": "optics"
    }  # fmt: skip
    assert expected == {key: resource.attributes.get(key) for key in expected}
    assert "7" == batch.context.header("x-mlflow-experiment-id")
    assert ("grpc" if protocol == "grpc" else "http") == batch.context.transport
