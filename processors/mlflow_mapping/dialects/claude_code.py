"""
Claude Code and the Claude Agent SDK, which runs it.

Source: code.claude.com, "Monitoring: traces". Content is ``<REDACTED>`` unless asked for.
"""

from processors.mlflow_mapping.dialect import Dialect

_KINDS = {
    "interaction": "AGENT",
    "llm_request": "LLM",
    "tool": "TOOL",
    "tool.execution": "TASK",
    "tool.blocked_on_user": "TASK",
    "hook": "TASK",
}

CLAUDE_CODE = Dialect(
    name="claude_code",
    only_with=("span.type",),
    plain=(
        "model", "input_tokens", "output_tokens", "cache_read_tokens", "cache_read_input_tokens",
        "cache_creation_tokens", "cache_creation_input_tokens", "user_prompt", "tool_input",
        "new_context", "full_command", "file_path", "skill_name", "subagent_type", "error",
    ),
    kinds={"span.type": _KINDS | {f"claude_code.{kind}": of for kind, of in _KINDS.items()}},
    scopes=("com.anthropic.claude_code",),
    span_names={f"claude_code.{kind}": of for kind, of in _KINDS.items()},
    model=("model",),
    input_tokens=("input_tokens",),
    output_tokens=("output_tokens",),
    cache_read=("cache_read_tokens", "cache_read_input_tokens"),
    cache_write=("cache_creation_tokens", "cache_creation_input_tokens"),
    exclusive=("*",),
    reply={"response.model_output": "content"},
    inputs=("user_prompt", "tool_input", "new_context"),
    input_fields={
        "full_command": "full_command",
        "file_path": "file_path",
        "skill_name": "skill_name",
        "subagent_type": "subagent_type",
    },
    error_message=("error",),
)  # fmt: skip
