"""
LangSmith's OpenTelemetry export.

``langsmith.trace.session_name`` holds the project, not the session.
Source: langsmith._internal.otel._otel_exporter.
"""

from processors.mlflow_mapping.dialect import Dialect

LANGSMITH_KINDS = Dialect(
    name="langsmith_kinds",
    kinds={
        "langsmith.span.kind": {
            "llm": "CHAT_MODEL",
            "chain": "CHAIN",
            "tool": "TOOL",
            "retriever": "RETRIEVER",
            "embedding": "EMBEDDING",
            "prompt": "TASK",
            "parser": "PARSER",
        }
    },
)
"""Asked before the operation, which calls retrievers embeddings and prompts chat."""

LANGSMITH = Dialect(
    name="langsmith",
    model=("langsmith.metadata.ls_model_name",),
    provider=("langsmith.metadata.ls_provider",),
    session=(
        "langsmith.metadata.session_id", "langsmith.metadata.thread_id",
        "langsmith.metadata.conversation_id", "langsmith.trace.session_id",
    ),
    user=("langsmith.metadata.user_id",),
    tags=("langsmith.span.tags",),
    metadata_prefixes=("langsmith.metadata.",),
    error_message=("langsmith.error",),
)  # fmt: skip
