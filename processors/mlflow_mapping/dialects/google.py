"""
Google's agent tools: the Agent Development Kit (ADK) and Gemini CLI.

Source: google.adk.telemetry.tracing; gemini-cli's docs/cli/telemetry.md.
"""

from processors.mlflow_mapping.dialect import Dialect

GOOGLE_ADK = Dialect(
    name="google_adk",
    hints={
        "gcp.vertex.agent.tool_call_args": "TOOL",
        "gcp.vertex.agent.llm_request": "LLM",
    },
    input_messages=("gcp.vertex.agent.llm_request",),
    output_messages=("gcp.vertex.agent.llm_response",),
    inputs=("gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.data"),
    outputs=("gcp.vertex.agent.tool_response",),
    tools=("gcp.vertex.agent.llm_request",),
    usage=("gcp.vertex.agent.llm_response",),
    session=("gcp.vertex.agent.session_id",),
    user=("gcp.vertex.agent.user_id",),
)

GEMINI_CLI = Dialect(
    name="gemini_cli",
    kinds={
        "gen_ai.operation.name": {
            "llm_call": "LLM",
            "tool_call": "TOOL",
            "agent_call": "AGENT",
            "schedule_tool_calls": "CHAIN",
        }
    },
)
