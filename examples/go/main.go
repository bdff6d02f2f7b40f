// Send two spans of a made-up LLM call. The exporters read the address and the headers, the SDK
// the service name, from the OTEL_* variables; nothing here names the gateway.
package main

import (
	"context"
	"log"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	ctx := context.Background()
	exporter, err := newExporter(ctx)
	if err != nil {
		log.Fatal(err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
	answer(ctx, provider)
	if err := provider.Shutdown(ctx); err != nil { // sends what still waits
		log.Fatal(err)
	}
}

// newExporter reads the one variable that Go's exporters leave to the program.
func newExporter(ctx context.Context) (*otlptrace.Exporter, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc" {
		return otlptracegrpc.New(ctx)
	}
	return otlptracehttp.New(ctx)
}

func answer(ctx context.Context, provider *trace.TracerProvider) {
	tracer := provider.Tracer("example")
	ctx, agent := tracer.Start(ctx, "invoke_agent example")
	defer agent.End()
	agent.SetAttributes(
		attribute.String("gen_ai.operation.name", "invoke_agent"),
		attribute.String("gen_ai.agent.name", "example"),
		attribute.String("gen_ai.conversation.id", "session-1"),
	)
	_, chat := tracer.Start(ctx, "chat gpt-4o-mini")
	defer chat.End()
	chat.SetAttributes(
		attribute.String("gen_ai.operation.name", "chat"),
		attribute.String("gen_ai.provider.name", "openai"),
		attribute.String("gen_ai.request.model", "gpt-4o-mini"),
		attribute.Int("gen_ai.usage.input_tokens", 12),
		attribute.Int("gen_ai.usage.output_tokens", 5),
		attribute.String("gen_ai.input.messages",
			`[{"role":"user","parts":[{"type":"text","content":"Why is the sky blue?"}]}]`),
		attribute.String("gen_ai.output.messages",
			`[{"role":"assistant","parts":[{"type":"text","content":"Rayleigh scattering."}]}]`),
	)
}
