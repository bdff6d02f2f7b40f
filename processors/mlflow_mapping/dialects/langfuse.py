"""
Langfuse's SDKs, version 3 and later.

Source: langfuse._client.attributes.
"""

from processors.mlflow_mapping.dialect import Dialect

LANGFUSE = Dialect(
    name="langfuse",
    kinds={
        "langfuse.observation.type": {
            "generation": "LLM",
            "embedding": "EMBEDDING",
            "tool": "TOOL",
            "retriever": "RETRIEVER",
            "agent": "AGENT",
            "chain": "CHAIN",
            "evaluator": "EVALUATOR",
            "guardrail": "GUARDRAIL",
            "span": "UNKNOWN",
        }
    },
    model=("langfuse.observation.model.name", "langfuse.observation.model"),
    usage=("langfuse.observation.usage_details", "langfuse.observation.usage"),
    inputs=("langfuse.observation.input", "langfuse.trace.input"),
    outputs=("langfuse.observation.output", "langfuse.trace.output"),
    session=("langfuse.session.id", "langfuse.trace.session_id", "langfuse.sessionId"),
    user=("langfuse.user.id", "langfuse.trace.user_id", "langfuse.userId"),
    trace_name=("langfuse.trace.name",),
    tags=("langfuse.trace.tags", "langfuse.tags"),
    tag_fields={
        "langfuse.environment": "environment",
        "langfuse.release": "release",
        "langfuse.version": "version",
    },
    metadata=("langfuse.trace.metadata",),
    metadata_prefixes=("langfuse.trace.metadata.",),
    error_level=("langfuse.observation.level",),
    error_message=("langfuse.observation.status_message",),
)
