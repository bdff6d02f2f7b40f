"""
LiveKit Agents: voice agents.

Source: livekit.agents.telemetry.trace_types.
"""

from processors.mlflow_mapping.dialect import Dialect

LIVEKIT = Dialect(
    name="livekit",
    scopes=("livekit",),
    span_names={
        "job_entrypoint": "WORKFLOW",
        "agent_session": "AGENT",
        "agent_turn": "AGENT",
        "start_agent_activity": "CHAIN",
        "session_start": "CHAIN",
        "session_close": "CHAIN",
        "on_enter": "CHAIN",
        "on_exit": "CHAIN",
        "drain_agent_activity": "CHAIN",
        "user_turn": "CHAIN",
        "user_speaking": "TASK",
        "agent_speaking": "TASK",
        "llm_node": "CHAIN",
        "llm_request": "LLM",
        "llm_request_run": "LLM",
        "llm_fallback_adapter": "CHAIN",
        "function_tool": "TOOL",
        "tts_node": "TASK",
        "tts_request": "TASK",
        "tts_request_run": "TASK",
        "stt_node": "TASK",
        "eou_detection": "TASK",
    },
    hints={
        "lk.function_tool.name": "TOOL",
        "lk.chat_ctx": "CHAIN",
        "lk.input_text": "TASK",
        "lk.agent_name": "AGENT",
        "lk.instructions": "AGENT",
        "lk.generation_id": "AGENT",
        "lk.user_transcript": "TASK",
    },
    usage=("lk.llm_metrics",),
    input_messages=("lk.chat_ctx",),
    reply={"lk.response.text": "content", "lk.response.function_calls": "tool_calls"},
    inputs=(
        "lk.user_input", "lk.function_tool.arguments", "lk.input_text", "lk.pii.input_text",
        "lk.instructions",
    ),
    outputs=("lk.function_tool.output", "lk.user_transcript"),
    tools=("lk.function_tools",),
    session=("lk.room_name",),
    user=("lk.participant_identity",),
)  # fmt: skip
