"""
OpenInference (Arize): Python, JavaScript and Java instrumentations of most frameworks.

Source: openinference.semconv.trace.
"""

from processors.mlflow_mapping.dialect import Dialect

OPENINFERENCE = Dialect(
    name="openinference",
    kinds={
        "openinference.span.kind": {
            "llm": "LLM",
            "chain": "CHAIN",
            "agent": "AGENT",
            "tool": "TOOL",
            "retriever": "RETRIEVER",
            "reranker": "RERANKER",
            "embedding": "EMBEDDING",
            "guardrail": "GUARDRAIL",
            "evaluator": "EVALUATOR",
            "prompt": "TASK",
            "decision": "CLASSIFIER",
        }
    },
    hints={
        "llm.invocation_parameters": "LLM",
        "embedding.model_name": "EMBEDDING",
        "reranker.query": "RERANKER",
        "reranker.model_name": "RERANKER",
        "tool.parameters": "TOOL",
    },
    model=(
        "llm.response.model_name", "llm.model_name", "llm.request.model_name",
        "embedding.model_name", "reranker.model_name",
        "decision.response.model_name", "decision.model_name", "decision.request.model_name",
    ),
    provider=("llm.provider", "llm.system", "decision.provider", "decision.system"),
    input_tokens=("llm.token_count.prompt", "decision.token_count.input"),
    output_tokens=("llm.token_count.completion", "decision.token_count.output"),
    total_tokens=("llm.token_count.total",),
    cache_read=(
        "llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input",
    ),
    cache_write=("llm.token_count.prompt_details.cache_write",),
    reasoning=("llm.token_count.completion_details.reasoning",),
    audio_input=("llm.token_count.prompt_details.audio",),
    audio_output=("llm.token_count.completion_details.audio",),
    image_input=("llm.token_count.prompt_details.image",),
    image_output=("llm.token_count.completion_details.image",),
    input_groups=("llm.input_messages",),
    output_groups=("llm.output_messages", "llm.choices"),
    finish=("llm.finish_reason",),
    inputs=("input.value", "tool.parameters"),
    outputs=("output.value",),
    input_fields={
        "reranker.query": "query",
        "reranker.top_k": "top_k",
        "llm.prompt_template.template": "template",
        "llm.prompt_template.variables": "variables",
        "llm.prompt_template.version": "version",
        "llm.prompts": "prompts",
    },
    documents=("retrieval.documents", "reranker.output_documents", "output.documents"),
    input_documents=("reranker.input_documents", "input.documents"),
    texts=("embedding.embeddings", "embedding.text"),
    vectors=("embedding.vector",),
    tool_groups=("llm.tools",),
    session=("session.id",),
    user=("user.id",),
    tags=("tag.tags",),
    metadata=("metadata",),
)  # fmt: skip
