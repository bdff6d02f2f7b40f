"""
Mastra: agents and workflows in TypeScript, which writes the GenAI conventions and its own.

Source: @mastra/otel-exporter, @mastra/core observability types.
"""

from processors.mlflow_mapping.dialect import Dialect

_SPANS = {
    "agent_run": "AGENT",
    "model_generation": "CHAIN",
    "model_step": "CHAIN",
    "model_inference": "CHAT_MODEL",
    "model_chunk": "TASK",
    "tool_call": "TOOL",
    "mcp_tool_call": "TOOL",
    "client_tool_call": "TOOL",
    "processor_run": "GUARDRAIL",
    "scorer_run": "EVALUATOR",
    "scorer_step": "EVALUATOR",
    "memory_operation": "MEMORY",
    "rag_embedding": "EMBEDDING",
    "rag_vector_operation": "RETRIEVER",
    "workflow_run": "WORKFLOW",
    "workflow_step": "TASK",
    "workflow_conditional": "TASK",
    "workflow_conditional_eval": "TASK",
    "workflow_parallel": "TASK",
    "workflow_loop": "TASK",
    "workflow_sleep": "TASK",
    "workflow_wait_event": "TASK",
}

MASTRA = Dialect(
    name="mastra",
    kinds={"mastra.span.type": _SPANS},
    inputs=tuple(f"mastra.{span}.input" for span in _SPANS),
    outputs=tuple(f"mastra.{span}.output" for span in _SPANS),
    session=("mastra.metadata.sessionId", "mastra.metadata.threadId"),
    user=("mastra.metadata.userId", "mastra.metadata.resourceId"),
    tags=("mastra.tags",),
    metadata_prefixes=("mastra.metadata.",),
)
