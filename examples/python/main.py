"""
Send two spans of a made-up LLM call.

The exporters read the address and the headers, the SDK the service name, from the OTEL_*
variables; nothing here names the gateway.
"""

import json
import os

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

# The one variable that Python's exporters leave to the program.
if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter


def messages(role: str, content: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": content}]}])


def answer(tracer: Tracer) -> None:
    with tracer.start_as_current_span("invoke_agent example") as agent:
        agent.set_attributes(
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "example",
                "gen_ai.conversation.id": "session-1",
            }
        )
        with tracer.start_as_current_span("chat gpt-4o-mini") as chat:
            chat.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o-mini",
                    "gen_ai.usage.input_tokens": 12,
                    "gen_ai.usage.output_tokens": 5,
                    "gen_ai.input.messages": messages("user", "Why is the sky blue?"),
                    "gen_ai.output.messages": messages("assistant", "Rayleigh scattering."),
                }
            )


if __name__ == "__main__":
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    answer(provider.get_tracer("example"))
    provider.shutdown()  # sends what still waits
