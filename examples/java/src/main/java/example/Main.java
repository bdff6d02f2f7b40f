package example;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;

/**
 * Sends two spans of a made-up LLM call. The SDK reads the address, the protocol, the headers and
 * the service name from the OTEL_* variables; nothing here names the gateway.
 */
public final class Main {
  public static void main(String[] args) {
    try (OpenTelemetrySdk sdk = AutoConfiguredOpenTelemetrySdk.initialize().getOpenTelemetrySdk()) {
      answer(sdk.getTracer("example"));
    } // closing sends what still waits
  }

  private static void answer(Tracer tracer) {
    Span agent = tracer.spanBuilder("invoke_agent example").startSpan();
    agent.setAttribute("gen_ai.operation.name", "invoke_agent");
    agent.setAttribute("gen_ai.agent.name", "example");
    agent.setAttribute("gen_ai.conversation.id", "session-1");
    try (Scope current = agent.makeCurrent()) {
      chat(tracer);
    } finally {
      agent.end();
    }
  }

  private static void chat(Tracer tracer) {
    Span chat = tracer.spanBuilder("chat gpt-4o-mini").startSpan();
    chat.setAttribute("gen_ai.operation.name", "chat");
    chat.setAttribute("gen_ai.provider.name", "openai");
    chat.setAttribute("gen_ai.request.model", "gpt-4o-mini");
    chat.setAttribute("gen_ai.usage.input_tokens", 12);
    chat.setAttribute("gen_ai.usage.output_tokens", 5);
    chat.setAttribute(
        "gen_ai.input.messages",
        "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Why is the sky blue?\"}]}]");
    chat.setAttribute(
        "gen_ai.output.messages",
        "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"Rayleigh scattering.\"}]}]");
    chat.end();
  }
}
