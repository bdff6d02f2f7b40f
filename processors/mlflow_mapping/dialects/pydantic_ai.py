"""
pydantic-ai's own attributes beside the GenAI ones, and Logfire's.

Source: pydantic_ai._instrumentation; logfire's integrations.
"""

from processors.mlflow_mapping.dialect import Dialect

PYDANTIC_AI = Dialect(
    name="pydantic_ai",
    only_with=("gen_ai.", "logfire."),
    plain=(
        "events", "final_result", "tool_response", "tool_arguments", "all_messages_events",
        "model_request_parameters",
    ),
    input_messages=("pydantic_ai.all_messages", "all_messages_events", "events"),
    outputs=("final_result", "tool_response"),
    inputs=("tool_arguments",),
    tools=("model_request_parameters",),
    tags=("logfire.tags",),
)  # fmt: skip

LOGFIRE = Dialect(
    name="logfire",
    only_with=("logfire.",),
    plain=("request_data", "response_data"),
    inputs=("request_data",),
    outputs=("response_data",),
)
