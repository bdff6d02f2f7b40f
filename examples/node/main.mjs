// Send two spans of a made-up LLM call. NodeSDK reads the address, the protocol, the headers and
// the service name from the OTEL_* variables; nothing here names the gateway.
import { trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';

const sdk = new NodeSDK();
sdk.start();

const tracer = trace.getTracer('example');
tracer.startActiveSpan('invoke_agent example', (agent) => {
  agent.setAttributes({
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': 'example',
    'gen_ai.conversation.id': 'session-1',
  });
  tracer.startActiveSpan('chat gpt-4o-mini', (chat) => {
    chat.setAttributes({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.usage.input_tokens': 12,
      'gen_ai.usage.output_tokens': 5,
      'gen_ai.input.messages': JSON.stringify([
        { role: 'user', parts: [{ type: 'text', content: 'Why is the sky blue?' }] },
      ]),
      'gen_ai.output.messages': JSON.stringify([
        { role: 'assistant', parts: [{ type: 'text', content: 'Rayleigh scattering.' }] },
      ]),
    });
    chat.end();
  });
  agent.end();
});

await sdk.shutdown(); // sends what still waits
