"""
AgentOps: decorated functions and its instrumentations of model providers.

Source: agentops.semconv. The messages of model calls stand under Traceloop's names.
"""

from processors.mlflow_mapping.dialect import Dialect

_KINDS = {
    "agent": "AGENT",
    "chain": "CHAIN",
    "guardrail": "GUARDRAIL",
    "http": "UNKNOWN",
    "llm": "LLM",
    "operation": "TASK",
    "session": "WORKFLOW",
    "task": "TASK",
    "text": "UNKNOWN",
    "tool": "TOOL",
    "workflow": "WORKFLOW",
}

AGENTOPS = Dialect(
    name="agentops",
    only_with=("agentops.",),
    plain=("tool.result", "workflow.input", "workflow.output", "workflow.final_output"),
    kinds={
        # Some of its instrumentations write the name of the constant instead of its value.
        "agentops.span.kind": {
            **_KINDS,
            **{f"agentopsspankindvalues.{kind}": mapped for kind, mapped in _KINDS.items()},
        },
        "gen_ai.request.type": {
            "chat": "CHAT_MODEL",
            "completion": "LLM",
            "embedding": "EMBEDDING",
            "rerank": "RERANKER",
        },
    },
    inputs=(
        "agentops.entity.input",
        *(f"agentops.{kind}.input" for kind in _KINDS),
        "workflow.input",
    ),
    outputs=(
        "agentops.entity.output",
        *(f"agentops.{kind}.output" for kind in _KINDS),
        "tool.result",
        "workflow.final_output",
        "workflow.output",
    ),
)
