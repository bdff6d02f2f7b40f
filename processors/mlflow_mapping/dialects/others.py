"""
Smaller dialects: what they add to the GenAI conventions fits in a few lines each.

Source: each project's own constants, as named beside it.
"""

from processors.mlflow_mapping.dialect import Dialect

# org.springframework.ai.observation.conventions
SPRING_AI_KINDS = Dialect(
    name="spring_ai_kinds",
    kinds={
        "spring.ai.kind": {
            "chat_client": "CHAIN",
            "advisor": "CHAIN",
            "vector_store": "RETRIEVER",
            "tool_call": "TOOL",
        }
    },
)
"""Asked before the operation's name, which is ``framework`` for all of them."""

SPRING_AI = Dialect(
    name="spring_ai",
    inputs=(
        "spring.ai.tool.call.arguments", "db.vector.query.content",
        "spring.ai.chat.client.user.text",
    ),
    outputs=("spring.ai.tool.call.result", "db.vector.query.response.documents"),
    system=("spring.ai.chat.client.system.text",),
    session=(
        "spring.ai.chat.client.conversation.id", "spring.ai.chat.client.advisors.conversation.id",
    ),
)  # fmt: skip

# anthropic._utils: the SDK's own spans
ANTHROPIC_SDK = Dialect(
    name="anthropic_sdk",
    scopes=("com.anthropic.sdk",),
    span_names={
        "anthropic.messages.create": "CHAT_MODEL",
        "anthropic.messages.stream": "CHAT_MODEL",
        "anthropic.beta.messages.create": "CHAT_MODEL",
    },
)

# haystack_integrations.tracing, haystack.core.pipeline
HAYSTACK = Dialect(
    name="haystack",
    hints={"haystack.pipeline.input_data": "CHAIN", "haystack.component.name": "TASK"},
    inputs=("haystack.component.input", "haystack.pipeline.input_data"),
    outputs=("haystack.component.output", "haystack.pipeline.output_data"),
)

# codex-rs/otel: the Codex command line
CODEX = Dialect(
    name="codex",
    hints={
        "codex.usage.total_tokens": "LLM",
        "codex.turn.token_usage.total_tokens": "AGENT",
        "codex.turn.token_usage.input_tokens": "AGENT",
    },
    input_tokens=("codex.turn.token_usage.input_tokens",),
    output_tokens=("codex.turn.token_usage.output_tokens",),
    cache_read=("codex.turn.token_usage.cached_input_tokens",),
    reasoning=(
        "codex.usage.reasoning_output_tokens", "codex.turn.token_usage.reasoning_output_tokens",
    ),
    only_with=("codex.",),
    plain=("model",),
    model=("model",),
)  # fmt: skip

# Alibaba's GenAI conventions, which LoongSuite and Dify write
LOONGSUITE = Dialect(
    name="loongsuite",
    kinds={
        "gen_ai.span.kind": {
            "llm": "LLM",
            "chain": "CHAIN",
            "workflow": "WORKFLOW",
            "task": "TASK",
            "step": "CHAIN",
            "entry": "CHAIN",
            "agent": "AGENT",
            "tool": "TOOL",
            "retriever": "RETRIEVER",
            "reranker": "RERANKER",
            "embedding": "EMBEDDING",
            "memory": "MEMORY",
        }
    },
    model=("gen_ai.model_name",),
    provider=("gen_ai.provider",),
    inputs=("retrieval.query",),
    document_lists=("retrieval.document",),
)

# langtrace_python_sdk.constants
LANGTRACE = Dialect(
    name="langtrace",
    kinds={"langtrace.service.type": {"llm": "LLM", "framework": "CHAIN"}},
    model=("llm.model",),
    provider=("langtrace.service.name",),
    usage=("llm.token.counts",),
    input_messages=("llm.prompts",),
    output_messages=("llm.responses",),
    texts=("gen_ai.request.embedding_inputs",),
    session=("langtrace.session.id",),
    user=("langtrace.user.id",),
)

# litellm.integrations.opentelemetry
LITELLM = Dialect(
    name="litellm",
    only_with=("litellm.",),
    plain=("llm.user",),
    usage=("metadata.usage_object",),
    user=("llm.user", "metadata.user_api_key_end_user_id", "metadata.user_api_key_user_id"),
)

# openlit.semcov
OPENLIT = Dialect(
    name="openlit",
    scopes=("openlit",),
    exclusive=("anthropic", "bedrock"),
    span_names={
        "chat": "CHAT_MODEL",
        "embeddings": "EMBEDDING",
        "text_completion": "LLM",
        "image": "LLM",
        "audio": "LLM",
        "execute_tool": "TOOL",
        "invoke_agent": "AGENT",
        "create_agent": "AGENT",
    },
    hints={"db.vector.query.top_k": "RETRIEVER"},
    input_messages=("gen_ai.content.prompt",),
    output_messages=("gen_ai.content.completion",),
    inputs=("gen_ai.agent.input", "gen_ai.workflow.input"),
    outputs=("gen_ai.agent.output", "gen_ai.workflow.output"),
    tools=("gen_ai.request.tool_definitions",),
)

# @voltagent/core: observability/types
VOLTAGENT = Dialect(
    name="voltagent",
    only_with=("voltagent.", "entity.type"),
    plain=(
        "input", "output", "conversationId", "userId", "tool.input", "tool.output",
        "usage.prompt_tokens", "usage.completion_tokens", "usage.total_tokens", "llm.model",
    ),
    kinds={
        "span.type": {"guardrail": "GUARDRAIL", "workflow-step": "TASK", "middleware": "CHAIN"},
        "entity.type": {"agent": "AGENT", "workflow": "WORKFLOW", "tool": "TOOL"},
    },
    model=("ai.model.name", "llm.model"),
    input_tokens=("usage.prompt_tokens",),
    output_tokens=("usage.completion_tokens",),
    total_tokens=("usage.total_tokens",),
    cache_read=("usage.cached_tokens",),
    reasoning=("usage.reasoning_tokens",),
    input_messages=("llm.messages", "agent.messages"),
    inputs=("tool.input", "input"),
    outputs=("tool.output", "output"),
    tools=("llm.tools",),
    session=("voltagent.conversation_id", "conversationId"),
    user=("userId",),
)  # fmt: skip

# lmnr: sdk/laminar.py
LAMINAR = Dialect(
    name="laminar",
    kinds={
        "lmnr.span.type": {
            "llm": "LLM",
            "tool": "TOOL",
            "default": "CHAIN",
            "pipeline": "CHAIN",
            "executor": "AGENT",
            "evaluator": "EVALUATOR",
            "human_evaluator": "EVALUATOR",
            "evaluation": "EVALUATOR",
            "cached": "LLM",
        }
    },
    inputs=("lmnr.span.input",),
    outputs=("lmnr.span.output",),
    session=("lmnr.association.properties.session_id",),
    user=("lmnr.association.properties.user_id",),
    tags=("lmnr.association.properties.tags",),
    metadata_prefixes=("lmnr.association.properties.metadata.",),
)

# langwatch: attributes
LANGWATCH = Dialect(
    name="langwatch",
    kinds={
        "langwatch.span.type": {
            "module": "CHAIN",
            "component": "CHAIN",
            "span": "CHAIN",
            "server": "CHAIN",
            "workflow": "WORKFLOW",
        }
    },
    usage=("langwatch.metrics",),
    inputs=("langwatch.input",),
    outputs=("langwatch.output",),
    document_lists=("langwatch.rag_contexts", "langwatch.contexts"),
    session=("langwatch.thread.id",),
    user=("langwatch.user.id",),
    tags=("langwatch.labels", "langwatch.tags"),
    metadata=("langwatch.metadata",),
)

# braintrust.otel
BRAINTRUST = Dialect(
    name="braintrust",
    kinds={"braintrust.span_attributes.type": {"score": "EVALUATOR", "eval": "EVALUATOR"}},
    usage=("braintrust.metrics",),
    inputs=("braintrust.input_json", "braintrust.input"),
    outputs=("braintrust.output_json", "braintrust.output"),
    tags=("braintrust.tags",),
    metadata=("braintrust.metadata",),
)

# mistralai.extra.observability: the SDK's own spans
MISTRAL_SDK = Dialect(
    name="mistral_sdk",
    kinds={
        "mistral_ai.operation.id": {
            "chat_completion_v1_chat_completions_post": "CHAT_MODEL",
            "stream_chat": "CHAT_MODEL",
            "fim_completion_v1_fim_completions_post": "LLM",
            "stream_fim": "LLM",
            "agents_completion_v1_agents_completions_post": "CHAT_MODEL",
            "stream_agents": "CHAT_MODEL",
            "embeddings_v1_embeddings_post": "EMBEDDING",
        }
    },
    scopes=("mistralai_sdk_tracer",),
    span_names={"stream_chat": "CHAT_MODEL", "stream_fim": "LLM", "stream_agents": "CHAT_MODEL"},
    total_tokens=("mistral_ai.request.total_tokens",),
)

# semantic_kernel.connectors.ai
SEMANTIC_KERNEL = Dialect(
    name="semantic_kernel",
    scopes=("semantic_kernel",),
    span_names={"autofunctioninvocationloop": "CHAIN"},
    input_tokens=("gen_ai.response.prompt_tokens",),
    output_tokens=("gen_ai.response.completion_tokens",),
)

# mlflow.tracing.constant: what MLflow's own SDK says besides the attributes that we keep
MLFLOW = Dialect(
    name="mlflow",
    session=("mlflow.trace.session",),
    user=("mlflow.trace.user",),
)
