"""
OpenLLMetry (Traceloop), also under names of before the GenAI conventions.

Source: opentelemetry.semconv_ai.
"""

from processors.mlflow_mapping.dialect import Dialect

TRACELOOP = Dialect(
    name="traceloop",
    kinds={
        "traceloop.span.kind": {
            "workflow": "WORKFLOW",
            "task": "TASK",
            "agent": "AGENT",
            "tool": "TOOL",
        },
        "llm.request.type": {
            "chat": "CHAT_MODEL",
            "completion": "LLM",
            "embedding": "EMBEDDING",
            "rerank": "RERANKER",
        },
    },
    hints={"traceloop.workflow.name": "TASK"},
    model=("llm.response.model", "llm.request.model"),
    provider=("llm.vendor",),
    input_tokens=("llm.usage.prompt_tokens",),
    output_tokens=("llm.usage.completion_tokens",),
    total_tokens=("llm.usage.total_tokens",),
    cache_read=("llm.usage.cache_read_input_tokens",),
    cache_write=("llm.usage.cache_creation_input_tokens",),
    reasoning=("llm.usage.reasoning_tokens",),
    input_groups=("gen_ai.prompt", "llm.prompts"),
    output_groups=("gen_ai.completion", "llm.completions"),
    finish=("llm.response.finish_reason", "llm.response.stop_reason"),
    inputs=("traceloop.entity.input",),
    outputs=("traceloop.entity.output",),
    tool_groups=("llm.request.functions", "gen_ai.request.functions"),
    session=(
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id",
        "traceloop.association.properties.conversation_id",
        "traceloop.association.properties.chat_id",
    ),
    user=("traceloop.association.properties.user_id",),
    metadata_prefixes=("traceloop.association.properties.",),
)
