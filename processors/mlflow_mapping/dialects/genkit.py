"""
Genkit: flows, generate calls, models and tools of its SDKs for JavaScript, Go and Python.

Source: @genkit-ai/core, tracing and action. Each span holds what went in and out as JSON.
"""

from processors.mlflow_mapping.dialect import Dialect

GENKIT = Dialect(
    name="genkit",
    kinds={
        "genkit:metadata:subtype": {
            "agent": "AGENT",
            "background-model": "CHAT_MODEL",
            "embedder": "EMBEDDING",
            "evaluator": "EVALUATOR",
            "executable-prompt": "CHAIN",
            "flow": "WORKFLOW",
            "indexer": "TASK",
            "model": "CHAT_MODEL",
            "prompt": "PARSER",
            "reranker": "RERANKER",
            "retriever": "RETRIEVER",
            "tool": "TOOL",
        },
        "genkit:type": {
            "dotprompt": "CHAIN",
            "flow": "WORKFLOW",
            "flowstep": "TASK",
            "helper": "CHAIN",
            "prompttemplate": "PARSER",
            "util": "CHAIN",
        },
    },
    model_behind={"genkit:key": "/model/"},
    usage_within=("genkit:output",),
    inputs=("genkit:input",),
    outputs=("genkit:output",),
    tools_within=("genkit:input",),
    session=("genkit:sessionId",),
)
