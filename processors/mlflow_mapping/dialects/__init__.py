"""
One table a dialect.

To add a dialect, write a table and name it here. The order says whose answer wins where a span
speaks several; it follows MLflow's own translators where MLflow has one.
"""

from processors.mlflow_mapping.dialects.agentops import AGENTOPS
from processors.mlflow_mapping.dialects.claude_code import CLAUDE_CODE
from processors.mlflow_mapping.dialects.gen_ai import GEN_AI
from processors.mlflow_mapping.dialects.genkit import GENKIT
from processors.mlflow_mapping.dialects.google import GEMINI_CLI, GOOGLE_ADK
from processors.mlflow_mapping.dialects.langfuse import LANGFUSE
from processors.mlflow_mapping.dialects.langsmith import LANGSMITH, LANGSMITH_KINDS
from processors.mlflow_mapping.dialects.livekit import LIVEKIT
from processors.mlflow_mapping.dialects.mastra import MASTRA
from processors.mlflow_mapping.dialects.openinference import OPENINFERENCE
from processors.mlflow_mapping.dialects.others import (
    ANTHROPIC_SDK,
    BRAINTRUST,
    CODEX,
    HAYSTACK,
    LAMINAR,
    LANGTRACE,
    LANGWATCH,
    LITELLM,
    LOONGSUITE,
    MISTRAL_SDK,
    MLFLOW,
    OPENLIT,
    SEMANTIC_KERNEL,
    SPRING_AI,
    SPRING_AI_KINDS,
    VOLTAGENT,
)
from processors.mlflow_mapping.dialects.pydantic_ai import LOGFIRE, PYDANTIC_AI
from processors.mlflow_mapping.dialects.traceloop import TRACELOOP
from processors.mlflow_mapping.dialects.vercel import VERCEL

ALL = (
    OPENINFERENCE,
    LANGSMITH_KINDS,
    SPRING_AI_KINDS,
    GEMINI_CLI,
    CLAUDE_CODE,
    GEN_AI,
    PYDANTIC_AI,
    SPRING_AI,
    TRACELOOP,
    GOOGLE_ADK,
    VERCEL,
    VOLTAGENT,
    LIVEKIT,
    LAMINAR,
    LANGFUSE,
    LANGSMITH,
    OPENLIT,
    LANGTRACE,
    LANGWATCH,
    BRAINTRUST,
    AGENTOPS,
    GENKIT,
    LITELLM,
    MASTRA,
    LOGFIRE,
    ANTHROPIC_SDK,
    MISTRAL_SDK,
    SEMANTIC_KERNEL,
    HAYSTACK,
    CODEX,
    LOONGSUITE,
    MLFLOW,
)
