"""
Spans as each framework writes them, and what MLflow shows of them.

A case is what an instrumentation writes, and what must come of it; keys of the expectation are
those of the result, ``user`` and ``answer`` the last turns of inputs and outputs.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import pytest

from gateway.otlp.values import Value
from tests.processors.mlflow_mapping.conftest import Map
from tests.processors.mlflow_mapping.rendering import is_conversation, is_tool

TYPE, IN, OUT = "mlflow.spanType", "mlflow.spanInputs", "mlflow.spanOutputs"
USAGE, MODEL, PROVIDER = "mlflow.chat.tokenUsage", "mlflow.llm.model", "mlflow.llm.provider"
TOOLS, SESSION, USER = "mlflow.chat.tools", "session.id", "user.id"

Event = tuple[str, Mapping[str, Value]]


class Case(NamedTuple):
    """One span and what it must become."""

    attributes: Mapping[str, Value]
    expected: Mapping[str, Any]
    events: tuple[Event, ...] = ()
    name: str = "span"
    scope: str = "test"


def j(value: object) -> str:
    """Return JSON as SDKs write it."""
    return msgspec.json.encode(value).decode()


def tokens(taken: int, given: int, **more: int) -> dict[str, int]:
    """Return token usage as MLflow holds it."""
    return {"input_tokens": taken, "output_tokens": given, "total_tokens": taken + given, **more}


WEATHER_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
}
WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
SCHEMA = WEATHER_TOOL["function"]["parameters"]  # type: ignore[index] # a literal above
QUESTION = {"role": "user", "content": "Weather in Paris?"}
SYSTEM = {"role": "system", "content": "Be brief."}
CALLING = {"role": "assistant", "content": None, "tool_calls": [WEATHER_CALL]}
SUNNY = {"role": "tool", "content": "sunny", "tool_call_id": "c1", "name": "get_weather"}

CASES = {
    "openinference, messages flattened, parts and a tool's answer": Case(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            "llm.provider": "OpenAI",
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "Be brief.",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.contents.0.message_content.type": "text",
            "llm.input_messages.1.message.contents.0.message_content.text": "What is this?",
            "llm.input_messages.1.message.contents.1.message_content.type": "image",
            "llm.input_messages.1.message.contents.1.message_content.image.image.url": "https://x/a.png",
            "llm.input_messages.2.message.role": "assistant",
            "llm.input_messages.2.message.tool_calls.0.tool_call.id": "c1",
            "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "get_weather",
            "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments": '{"city":"Paris"}',  # noqa: E501 - a key as it is
            "llm.input_messages.3.message.role": "tool",
            "llm.input_messages.3.message.tool_call_id": "c1",
            "llm.input_messages.3.message.name": "get_weather",
            "llm.input_messages.3.message.content": "sunny",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "A cat in the sun.",
            "llm.tools.0.tool.json_schema": j(SCHEMA),
            "llm.tools.0.tool.name": "get_weather",
            "llm.tools.0.tool.description": "Weather of a city",
            "llm.token_count.prompt": 10,
            "llm.token_count.completion": 4,
            "llm.token_count.completion_details.reasoning": 2,
            "llm.token_count.prompt_details.audio": 3,
        },
        {
            TYPE: "LLM",
            IN: {
                "messages": [
                    SYSTEM,
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "What is this?"},
                            {"type": "image_url", "image_url": {"url": "https://x/a.png"}},
                        ],
                    },
                    CALLING,
                    SUNNY,
                ]
            },
            "answer": "A cat in the sun.",
            TOOLS: [WEATHER_TOOL],
            USAGE: tokens(10, 4, reasoning_tokens=2, audio_input_tokens=3),
            MODEL: "gpt-4o",
            PROVIDER: "openai",
        },
    ),
    "openinference over anthropic: blocks in input.value": Case(
        {
            "openinference.span.kind": "LLM",
            "input.value": j(
                {
                    "model": "claude-sonnet-4-5",
                    "system": "Be brief.",
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {"type": "text", "text": "Weather in Paris?"},
                                {
                                    "type": "image",
                                    "source": {
                                        "type": "base64",
                                        "media_type": "image/png",
                                        "data": "QUJD",
                                    },
                                },
                            ],
                        },
                        {
                            "role": "assistant",
                            "content": [
                                {
                                    "type": "thinking",
                                    "thinking": "I should look.",
                                    "signature": "x",
                                },
                                {
                                    "type": "tool_use",
                                    "id": "c1",
                                    "name": "get_weather",
                                    "input": {"city": "Paris"},
                                },
                            ],
                        },
                        {
                            "role": "user",
                            "content": [
                                {
                                    "type": "tool_result",
                                    "tool_use_id": "c1",
                                    "content": [{"type": "text", "text": "sunny"}],
                                },
                            ],
                        },
                    ],
                }
            ),
            "output.value": j(
                {
                    "type": "message",
                    "role": "assistant",
                    "stop_reason": "end_turn",
                    "content": [
                        {"type": "thinking", "thinking": "Easy."},
                        {"type": "text", "text": "It is sunny."},
                    ],
                }
            ),
            "llm.token_count.prompt": 150,
            "llm.token_count.completion": 90,
            "llm.token_count.prompt_details.cache_read": 2000,
            "llm.token_count.prompt_details.cache_write": 300,
        },
        {
            TYPE: "LLM",
            IN: {
                "model": "claude-sonnet-4-5",
                "messages": [
                    SYSTEM,
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "Weather in Paris?"},
                            {
                                "type": "image_url",
                                "image_url": {"url": "data:image/png;base64,QUJD"},
                            },
                        ],
                    },
                    CALLING | {"reasoning": "I should look."},
                    {"role": "tool", "content": "sunny", "tool_call_id": "c1"},
                ],
            },
            OUT: {
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "role": "assistant",
                            "content": "It is sunny.",
                            "reasoning": "Easy.",
                        },
                        "finish_reason": "end_turn",
                    }
                ]
            },
            USAGE: tokens(2450, 90, cache_read_input_tokens=2000, cache_creation_input_tokens=300),
        },
    ),
    "openinference over bedrock": Case(
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "aws",
            "input.value": j(
                {
                    "modelId": "anthropic.claude",
                    "system": [{"text": "Be brief."}],
                    "messages": [{"role": "user", "content": [{"text": "Weather in Paris?"}]}],
                }
            ),
            "output.value": j(
                {
                    "output": {
                        "message": {
                            "role": "assistant",
                            "content": [
                                {"reasoningContent": {"reasoningText": {"text": "Look."}}},
                                {
                                    "toolUse": {
                                        "toolUseId": "c1",
                                        "name": "get_weather",
                                        "input": {"city": "Paris"},
                                    }
                                },
                            ],
                        }
                    },
                    "stopReason": "tool_use",
                }
            ),
        },
        {
            TYPE: "LLM",
            IN: {"modelId": "anthropic.claude", "messages": [SYSTEM, QUESTION]},
            OUT: {
                "choices": [
                    {
                        "index": 0,
                        "message": CALLING | {"reasoning": "Look."},
                        "finish_reason": "tool_use",
                    }
                ]
            },
            PROVIDER: "bedrock",
        },
    ),
    "openinference retriever": Case(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "Paris",
            "retrieval.documents.0.document.id": "d1",
            "retrieval.documents.0.document.content": "Paris is sunny",
            "retrieval.documents.0.document.score": 0.5,
            "retrieval.documents.0.document.metadata": '{"source":"w"}',
        },
        {
            TYPE: "RETRIEVER",
            IN: "Paris",
            OUT: [
                {
                    "page_content": "Paris is sunny",
                    "metadata": {"source": "w", "score": 0.5},
                    "id": "d1",
                }
            ],
        },
    ),
    "openinference reranker": Case(
        {
            "openinference.span.kind": "reranker",
            "reranker.query": "q",
            "reranker.top_k": 1,
            "reranker.model_name": "rerank-v3",
            "reranker.input_documents.0.document.content": "a",
            "reranker.input_documents.1.document.content": "b",
            "reranker.output_documents.0.document.content": "b",
            "reranker.output_documents.0.document.score": 0.9,
        },
        {
            TYPE: "RERANKER",
            IN: {
                "query": "q",
                "top_k": 1,
                "documents": [
                    {"page_content": "a", "metadata": {}},
                    {"page_content": "b", "metadata": {}},
                ],
            },
            OUT: [{"page_content": "b", "metadata": {"score": 0.9}}],
            MODEL: "rerank-v3",
        },
    ),
    "openinference embedding": Case(
        {
            "openinference.span.kind": "Embedding",
            "embedding.model_name": "text-embedding-3-small",
            "embedding.embeddings.0.embedding.text": "hello",
            "embedding.embeddings.0.embedding.vector": [0.1, 0.2, 0.3],
            "llm.token_count.total": 8,
        },
        {
            TYPE: "EMBEDDING",
            IN: {"input": ["hello"]},
            OUT: {"embeddings": 1, "dimensions": 3},
            USAGE: tokens(8, 0),
        },
    ),
    "openinference prompt template": Case(
        {
            "openinference.span.kind": "PROMPT",
            "llm.prompt_template.template": "Weather in {city}?",
            "llm.prompt_template.variables": '{"city":"Paris"}',
            "output.value": "Weather in Paris?",
        },
        {
            TYPE: "TASK",
            IN: {"template": "Weather in {city}?", "variables": {"city": "Paris"}},
            OUT: "Weather in Paris?",
        },
    ),
    "smolagents": Case(
        {
            "openinference.span.kind": "LLM",
            "input.value": j(
                {
                    "messages": [
                        {
                            "role": "MessageRole.USER",
                            "content": [{"type": "text", "text": "Weather in Paris?"}],
                        },
                        {"role": "tool-response", "content": [{"type": "text", "text": "sunny"}]},
                    ]
                }
            ),
            "output.value": j({"role": "assistant", "content": "It is sunny.", "raw": None}),
        },
        {
            IN: {"messages": [QUESTION, {"role": "tool", "content": "sunny"}]},
            "answer": "It is sunny.",
        },
    ),
    "autogen agent": Case(
        {
            "openinference.span.kind": "AGENT",
            "input.value": j([{"source": "user", "content": "Hi", "type": "TextMessage"}]),
            "output.value": j(
                {
                    "messages": [
                        {"source": "user", "content": "Hi", "type": "TextMessage"},
                        {
                            "source": "helper",
                            "type": "ToolCallRequestEvent",
                            "content": [
                                {"id": "c1", "name": "get_weather", "arguments": '{"city":"Paris"}'}
                            ],
                        },
                        {"source": "helper", "content": "Hello.", "type": "TextMessage"},
                    ],
                    "stop_reason": None,
                }
            ),
        },
        {
            TYPE: "AGENT",
            IN: {"messages": [{"role": "user", "content": "Hi"}]},
            OUT: {
                "stop_reason": None,
                "messages": [
                    {"role": "user", "content": "Hi"},
                    {
                        "role": "assistant",
                        "content": None,
                        "name": "helper",
                        "tool_calls": [WEATHER_CALL],
                    },
                    {"role": "assistant", "content": "Hello.", "name": "helper"},
                ],
            },
        },
    ),
    "dspy": Case(
        {
            "openinference.span.kind": "LLM",
            "input.value": j({"prompt": None, "messages": [QUESTION], "kwargs": {}}),
            "output.value": '["Sunny."]',
        },
        {TYPE: "LLM", "user": "Weather in Paris?", "answer": "Sunny."},
    ),
    "llama-index blocks": Case(
        {
            "openinference.span.kind": "LLM",
            "input.value": j(
                {
                    "messages": [
                        {
                            "role": "user",
                            "additional_kwargs": {},
                            "blocks": [{"block_type": "text", "text": "Weather in Paris?"}],
                        }
                    ]
                }
            ),
            "output.value": "assistant: Sunny.",
        },
        {IN: {"messages": [QUESTION]}, "answer": "assistant: Sunny."},
    ),
    "openai responses items": Case(
        {
            "openinference.span.kind": "LLM",
            "input.value": j(
                {
                    "model": "o4-mini",
                    "instructions": "Be brief.",
                    "input": [
                        {
                            "role": "user",
                            "content": [{"type": "input_text", "text": "Weather in Paris?"}],
                        },
                        {
                            "type": "function_call",
                            "call_id": "c1",
                            "name": "get_weather",
                            "arguments": '{"city":"Paris"}',
                        },
                        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
                    ],
                }
            ),
            "output.value": j(
                {
                    "output": [
                        {
                            "type": "reasoning",
                            "id": "r",
                            "summary": [{"type": "summary_text", "text": "Easy."}],
                        },
                        {
                            "type": "message",
                            "role": "assistant",
                            "content": [
                                {"type": "output_text", "text": "It is sunny.", "annotations": []}
                            ],
                        },
                    ]
                }
            ),
        },
        {
            IN: {
                "model": "o4-mini",
                "messages": [
                    SYSTEM,
                    QUESTION,
                    CALLING,
                    {"role": "tool", "content": "sunny", "tool_call_id": "c1"},
                ],
            },
            OUT: {
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "role": "assistant",
                            "content": "It is sunny.",
                            "reasoning": "Easy.",
                        },
                    }
                ]
            },
        },
    ),
    "gen_ai messages with media, reasoning and a system prompt": Case(
        {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.provider.name": "gcp.vertex_ai",
            "gen_ai.request.model": "gemini-2.5-pro",
            "gen_ai.system_instructions": '[{"type":"text","content":"Be brief."}]',
            "gen_ai.input.messages": j(
                [
                    {
                        "role": "user",
                        "parts": [
                            {"type": "text", "content": "What is this?"},
                            {
                                "type": "blob",
                                "modality": "audio",
                                "mime_type": "audio/wav",
                                "content": "UklG",
                            },
                            {
                                "type": "uri",
                                "modality": "video",
                                "uri": "gs://v.mp4",
                                "mime_type": "video/mp4",
                            },
                        ],
                    },
                    {
                        "role": "assistant",
                        "parts": [
                            {"type": "reasoning", "content": "I should look."},
                            {
                                "type": "tool_call",
                                "id": "c1",
                                "name": "get_weather",
                                "arguments": {"city": "Paris"},
                            },
                        ],
                    },
                    {
                        "role": "tool",
                        "parts": [
                            {"type": "tool_call_response", "id": "c1", "response": {"sky": "sunny"}}
                        ],
                    },
                ]
            ),
            "gen_ai.output.messages": j(
                [
                    {
                        "role": "assistant",
                        "finish_reason": "stop",
                        "parts": [{"type": "text", "content": "It is sunny."}],
                    }
                ]
            ),
            "gen_ai.tool.definitions": j(
                [
                    {
                        "type": "function",
                        "name": "get_weather",
                        "description": "Weather of a city",
                        "parameters": SCHEMA,
                    }
                ]
            ),
            "gen_ai.usage.input_tokens": 10.0,
            "gen_ai.usage.output_tokens": "4",
            "gen_ai.usage.reasoning.output_tokens": 1,
            "gen_ai.conversation.id": "conv",
            "enduser.id": "ada",
        },
        {
            TYPE: "LLM",
            IN: {
                "messages": [
                    SYSTEM,
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "What is this?"},
                            {
                                "type": "input_audio",
                                "input_audio": {"data": "UklG", "format": "wav"},
                            },
                            {
                                "type": "text",
                                "text": "[video: gs://v.mp4]",
                                "part": {
                                    "type": "uri",
                                    "modality": "video",
                                    "uri": "gs://v.mp4",
                                    "mime_type": "video/mp4",
                                },
                            },
                        ],
                    },
                    CALLING | {"reasoning": "I should look."},
                    {"role": "tool", "content": '{"sky":"sunny"}', "tool_call_id": "c1"},
                ]
            },
            "answer": "It is sunny.",
            TOOLS: [WEATHER_TOOL],
            USAGE: tokens(10, 4, reasoning_tokens=1),
            PROVIDER: "vertex_ai",
            SESSION: "conv",
            USER: "ada",
        },
    ),
    "gen_ai events, old": Case(
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"},
        {
            IN: {
                "messages": [
                    SYSTEM,
                    QUESTION,
                    CALLING,
                    {"role": "tool", "content": "sunny", "tool_call_id": "c1"},
                ]
            },
            OUT: {
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": "It is sunny."},
                        "finish_reason": "stop",
                    }
                ]
            },
        },
        (
            ("gen_ai.system.message", {"content": "Be brief."}),
            ("gen_ai.user.message", {"content": "Weather in Paris?"}),
            ("gen_ai.assistant.message", {"tool_calls": j([WEATHER_CALL])}),
            ("gen_ai.tool.message", {"id": "c1", "content": "sunny"}),
            (
                "gen_ai.choice",
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": j({"role": "assistant", "content": "It is sunny."}),
                },
            ),
        ),
    ),
    "azure and semantic kernel: events with a JSON body": Case(
        {"gen_ai.operation.name": "chat.completions", "gen_ai.system": "az.ai.inference"},
        {TYPE: "CHAT_MODEL", "user": "Hi", "answer": "Hello.", PROVIDER: "azure_ai"},
        (
            (
                "gen_ai.user.message",
                {"gen_ai.event.content": '{"role":"user","content":"Hi"}'},
            ),
            (
                "gen_ai.choice",
                {"gen_ai.event.content": '{"message":{"content":"Hello."},"index":0}'},
            ),
        ),
    ),
    "gen_ai event with everything": Case(
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"},
        {IN: {"messages": [SYSTEM, QUESTION]}, "answer": "Sunny."},
        (
            (
                "gen_ai.client.inference.operation.details",
                {
                    "gen_ai.system_instructions": '[{"type":"text","content":"Be brief."}]',
                    "gen_ai.input.messages": j(
                        [
                            {
                                "role": "user",
                                "parts": [{"type": "text", "content": "Weather in Paris?"}],
                            }
                        ]
                    ),
                    "gen_ai.output.messages": j(
                        [{"role": "assistant", "parts": [{"type": "text", "content": "Sunny."}]}]
                    ),
                },
            ),
        ),
    ),
    "strands": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "strands-agents",
            "gen_ai.request.model": "us.anthropic.claude-sonnet-4",
        },
        {
            "user": "Weather in Paris?",
            OUT: {
                "choices": [
                    {
                        "index": 0,
                        "message": CALLING | {"content": "Let me look."},
                        "finish_reason": "tool_use",
                    }
                ]
            },
            PROVIDER: None,
        },
        (
            ("gen_ai.user.message", {"content": '[{"text": "Weather in Paris?"}]'}),
            (
                "gen_ai.choice",
                {
                    "finish_reason": "tool_use",
                    "message": j(
                        [
                            {"text": "Let me look."},
                            {
                                "toolUse": {
                                    "toolUseId": "c1",
                                    "name": "get_weather",
                                    "input": {"city": "Paris"},
                                }
                            },
                        ]
                    ),
                },
            ),
        ),
    ),
    "strands tool": Case(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_weather"},
        {TYPE: "TOOL", IN: {"city": "Paris"}, OUT: "sunny"},
        (
            ("gen_ai.tool.message", {"role": "tool", "content": '{"city": "Paris"}'}),
            ("gen_ai.choice", {"message": '[{"text": "sunny"}]'}),
        ),
    ),
    "pydantic-ai events, version 1": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "events": j(
                [
                    {
                        "event.name": "gen_ai.system.message",
                        "content": "Be brief.",
                        "role": "system",
                        "gen_ai.message.index": 0,
                    },
                    {
                        "event.name": "gen_ai.user.message",
                        "content": "Weather in Paris?",
                        "role": "user",
                        "gen_ai.message.index": 0,
                    },
                    {
                        "event.name": "gen_ai.choice",
                        "index": 0,
                        "message": {"role": "assistant", "content": "Sunny."},
                    },
                ]
            ),
            "model_request_parameters": j(
                {
                    "function_tools": [
                        {
                            "name": "get_weather",
                            "description": "Weather of a city",
                            "parameters_json_schema": SCHEMA,
                        }
                    ]
                }
            ),
        },
        {IN: {"messages": [SYSTEM, QUESTION]}, "answer": "Sunny.", TOOLS: [WEATHER_TOOL]},
    ),
    "traceloop, before the gen_ai conventions": Case(
        {
            "llm.request.type": "chat",
            "gen_ai.system": "Anthropic",
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": '[{"type":"text","text":"Weather in Paris?"}]',
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.finish_reason": "tool_use",
            "gen_ai.completion.0.tool_calls.0.id": "c1",
            "gen_ai.completion.0.tool_calls.0.name": "get_weather",
            "gen_ai.completion.0.tool_calls.0.arguments": '{"city":"Paris"}',
            "llm.request.functions.0.name": "get_weather",
            "llm.request.functions.0.description": "Weather of a city",
            "llm.request.functions.0.parameters": j(SCHEMA),
            "gen_ai.usage.prompt_tokens": 10,
            "gen_ai.usage.completion_tokens": 4,
            "gen_ai.usage.cache_read_input_tokens": 6,
            "llm.usage.total_tokens": 14,
            "traceloop.association.properties.session_id": "s",
            "traceloop.association.properties.user_id": "u",
            "traceloop.association.properties.tier": "gold",
        },
        {
            TYPE: "CHAT_MODEL",
            IN: {"messages": [SYSTEM, QUESTION]},
            OUT: {"choices": [{"index": 0, "message": CALLING, "finish_reason": "tool_use"}]},
            TOOLS: [WEATHER_TOOL],
            USAGE: tokens(10, 4, cache_read_input_tokens=6),
            PROVIDER: "anthropic",
            SESSION: "s",
            USER: "u",
            "mlflow.traceTag.tier": "gold",
        },
    ),
    "traceloop completion": Case(
        {
            "llm.request.type": "completion",
            "gen_ai.request.model": "gpt-3.5-turbo-instruct",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "Once upon",
            "gen_ai.completion.0.content": " a time",
        },
        {TYPE: "LLM", "user": "Once upon", "answer": " a time"},
    ),
    "traceloop rerank, embedding, workflow": Case(
        {"llm.request.type": "rerank", "gen_ai.request.model": "rerank-v3"},
        {TYPE: "RERANKER", MODEL: "rerank-v3"},
    ),
    "traceloop workflow": Case(
        {
            "traceloop.span.kind": "workflow",
            "traceloop.entity.input": '{"args":["Hi"]}',
            "traceloop.entity.output": '"Hello."',
        },
        {TYPE: "WORKFLOW", IN: {"args": ["Hi"]}, OUT: "Hello."},
    ),
    "google adk": Case(
        {
            "gen_ai.system": "gcp.vertex.agent",
            "gen_ai.request.model": "gemini-2.5-flash",
            "gcp.vertex.agent.session_id": "s",
            "gcp.vertex.agent.llm_request": j(
                {
                    "model": "gemini-2.5-flash",
                    "config": {
                        "system_instruction": "Be brief.",
                        "tools": [
                            {
                                "function_declarations": [
                                    {
                                        "name": "get_weather",
                                        "description": "Weather of a city",
                                        "parameters": SCHEMA,
                                    }
                                ]
                            }
                        ],
                    },
                    "contents": [
                        {"role": "user", "parts": [{"text": "Weather in Paris?"}]},
                        {
                            "role": "model",
                            "parts": [
                                {
                                    "function_call": {
                                        "id": "c1",
                                        "name": "get_weather",
                                        "args": {"city": "Paris"},
                                    }
                                }
                            ],
                        },
                        {
                            "role": "user",
                            "parts": [
                                {
                                    "function_response": {
                                        "id": "c1",
                                        "name": "get_weather",
                                        "response": {"sky": "sunny"},
                                    }
                                }
                            ],
                        },
                    ],
                }
            ),
            "gcp.vertex.agent.llm_response": j(
                {
                    "content": {
                        "role": "model",
                        "parts": [{"text": "Easy.", "thought": True}, {"text": "It is sunny."}],
                    },
                    "usage_metadata": {
                        "prompt_token_count": 100,
                        "candidates_token_count": 10,
                        "thoughts_token_count": 20,
                        "total_token_count": 130,
                        "cached_content_token_count": 40,
                    },
                }
            ),
        },
        {
            TYPE: "LLM",
            IN: {
                "model": "gemini-2.5-flash",
                "messages": [
                    SYSTEM,
                    QUESTION,
                    CALLING,
                    {
                        "role": "tool",
                        "content": '{"sky":"sunny"}',
                        "tool_call_id": "c1",
                        "name": "get_weather",
                    },
                ],
            },
            OUT: {
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "role": "assistant",
                            "content": "It is sunny.",
                            "reasoning": "Easy.",
                        },
                    }
                ]
            },
            TOOLS: [WEATHER_TOOL],
            USAGE: tokens(100, 30, cache_read_input_tokens=40, reasoning_tokens=20),
            PROVIDER: "gemini",
            SESSION: "s",
        },
        name="call_llm",
        scope="gcp.vertex.agent",
    ),
    "google adk root": Case({}, {TYPE: "WORKFLOW"}, name="invocation", scope="gcp.vertex.agent"),
    "google adk tool": Case(
        {
            "gen_ai.operation.name": "execute_tool",
            "gcp.vertex.agent.tool_call_args": '{"city":"Paris"}',
            "gcp.vertex.agent.tool_response": '{"result":"sunny"}',
            "gcp.vertex.agent.llm_request": "{}",
            "gcp.vertex.agent.llm_response": "{}",
        },
        {TYPE: "TOOL", IN: {"city": "Paris"}, OUT: {"result": "sunny"}},
    ),
    "gemini cli": Case(
        {
            "gen_ai.operation.name": "llm_call",
            "gen_ai.agent.name": "gemini-cli",
            "gen_ai.request.model": "gemini-2.5-pro",
            "gen_ai.input.messages": j(
                [{"role": "user", "parts": [{"text": "Weather in Paris?"}]}]
            ),
            "gen_ai.output.messages": j([{"role": "model", "parts": [{"text": "Sunny."}]}]),
        },
        {TYPE: "LLM", IN: {"messages": [QUESTION]}, "answer": "Sunny."},
    ),
    "spring ai": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.usage.input_tokens": "10",
            "gen_ai.usage.output_tokens": "4",
        },
        {TYPE: "CHAT_MODEL", "user": "Hi", "answer": "Hello.", USAGE: tokens(10, 4)},
        (
            ("gen_ai.content.prompt", {"gen_ai.prompt": '["Hi"]'}),
            ("gen_ai.content.completion", {"gen_ai.completion": '["Hello."]'}),
        ),
    ),
    "spring ai vector store": Case(
        {"spring.ai.kind": "vector_store", "db.vector.query.content": "Paris"},
        {TYPE: "RETRIEVER", IN: "Paris"},
    ),
    "livekit node": Case(
        {
            "lk.chat_ctx": j(
                {
                    "items": [
                        {"type": "message", "role": "developer", "content": ["Be brief."]},
                        {"type": "message", "role": "user", "content": ["Weather in Paris?"]},
                        {
                            "type": "function_call",
                            "call_id": "c1",
                            "name": "get_weather",
                            "arguments": '{"city":"Paris"}',
                        },
                        {
                            "type": "function_call_output",
                            "call_id": "c1",
                            "name": "get_weather",
                            "output": "sunny",
                        },
                    ]
                }
            ),
            "lk.response.text": "It is sunny.",
            "lk.response.function_calls": j(
                [{"call_id": "c1", "name": "get_weather", "arguments": '{"city":"Paris"}'}]
            ),
            "lk.function_tools": ["get_weather"],
        },
        {
            TYPE: "CHAIN",
            IN: {"messages": [SYSTEM, QUESTION, CALLING, SUNNY]},
            OUT: {"choices": [{"index": 0, "message": CALLING | {"content": "It is sunny."}}]},
            TOOLS: [{"type": "function", "function": {"name": "get_weather"}}],
        },
        name="llm_node",
        scope="livekit-agents",
    ),
    "livekit request": Case(
        {"gen_ai.request.model": "gpt-4o", "lk.retry_count": 0},
        {TYPE: "LLM", "user": "Hi", "answer": "Hello."},
        (
            ("gen_ai.user.message", {"content": "Hi"}),
            ("gen_ai.choice", {"role": "assistant", "content": "Hello."}),
        ),
        name="llm_request",
        scope="livekit-agents",
    ),
    "livekit tool": Case(
        {
            "lk.function_tool.name": "get_weather",
            "lk.function_tool.arguments": '{"city":"Paris"}',
            "lk.function_tool.output": "sunny",
        },
        {TYPE: "TOOL", IN: {"city": "Paris"}, OUT: "sunny"},
        name="function_tool",
        scope="livekit-agents",
    ),
    "claude code": Case(
        {
            "span.type": "llm_request",
            "model": "claude-sonnet-4-5",
            "input_tokens": 5000,
            "output_tokens": 90,
            "cache_read_tokens": 100,
            "cache_creation_tokens": 50,
            "new_context": "Fix it",
            "response.model_output": "Fixed.",
        },
        {
            TYPE: "LLM",
            "user": "Fix it",
            "answer": "Fixed.",
            MODEL: "claude-sonnet-4-5",
            USAGE: tokens(5150, 90, cache_read_input_tokens=100, cache_creation_input_tokens=50),
        },
        name="claude_code.llm_request",
    ),
    "claude code, content withheld": Case(
        {"span.type": "interaction", "user_prompt": "<REDACTED>"},
        {TYPE: "AGENT", IN: None},
        name="claude_code.interaction",
    ),
    "claude code tool": Case(
        {"span.type": "claude_code.tool", "full_command": "ls"},
        {TYPE: "TOOL", IN: {"full_command": "ls"}, OUT: "a b"},
        (("tool.output", {"output": "a b"}),),
        name="claude_code.tool",
    ),
    "vercel object": Case(
        {
            "ai.operationId": "ai.generateObject.doGenerate",
            "ai.model.provider": "anthropic.messages",
            "ai.model.id": "claude-sonnet-4-5",
            "ai.prompt.messages": j([QUESTION]),
            "ai.response.object": '{"sky":"sunny"}',
            "ai.usage.promptTokens": 10,
            "ai.usage.completionTokens": 4,
        },
        {
            TYPE: "LLM",
            IN: {"messages": [QUESTION]},
            "answer": '{"sky":"sunny"}',
            USAGE: tokens(10, 4),
            PROVIDER: "anthropic",
        },
    ),
    "vercel with reasoning": Case(
        {
            "ai.operationId": "ai.streamText.doStream",
            "ai.prompt.messages": j([QUESTION]),
            "ai.response.text": "Sunny.",
            "ai.response.reasoning": "Easy.",
        },
        {
            OUT: {
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "role": "assistant",
                            "content": "Sunny.",
                            "reasoning": "Easy.",
                        },
                    }
                ]
            }
        },
    ),
    "langfuse generation": Case(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "gpt-4o",
            "langfuse.observation.input": j([QUESTION]),
            "langfuse.observation.output": j({"role": "assistant", "content": "Sunny."}),
            "langfuse.observation.usage_details": j(
                {"input": 10, "input_cached_tokens": 5, "output": 4, "total": 19}
            ),
            "langfuse.session.id": "s",
            "langfuse.user.id": "u",
            "langfuse.trace.name": "ask",
            "langfuse.trace.tags": ["a", "b"],
            "langfuse.trace.metadata.team": "sky",
            "langfuse.environment": "prod",
        },
        {
            TYPE: "LLM",
            "user": "Weather in Paris?",
            "answer": "Sunny.",
            USAGE: tokens(15, 4, cache_read_input_tokens=5),
            SESSION: "s",
            USER: "u",
            "mlflow.traceTag.mlflow.traceName": "ask",
            "mlflow.traceTag.tags": "a, b",
            "mlflow.traceTag.team": "sky",
            "mlflow.traceTag.environment": "prod",
        },
    ),
    "langfuse span": Case({"langfuse.observation.type": "span"}, {TYPE: "UNKNOWN"}),
    "langfuse event": Case({"langfuse.observation.type": "event"}, {TYPE: "UNKNOWN"}),
    "openlit over anthropic": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "anthropic",
            "gen_ai.usage.input_tokens": 5000,
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.cache_read.input_tokens": 100,
        },
        {USAGE: tokens(5100, 10, cache_read_input_tokens=100)},
        scope="openlit.otel.tracing",
    ),
    "voltagent": Case(
        {
            "voltagent.operation_id": "o",
            "voltagent.conversation_id": "s",
            "span.type": "llm",
            "entity.type": "agent",
            "llm.messages": j([QUESTION]),
            "output": "Sunny.",
            "usage.prompt_tokens": 10,
            "usage.completion_tokens": 4,
        },
        {
            TYPE: "LLM",
            "user": "Weather in Paris?",
            "answer": "Sunny.",
            USAGE: tokens(10, 4),
            SESSION: "s",
        },
    ),
    "laminar": Case(
        {
            "lmnr.span.type": "EXECUTOR",
            "lmnr.span.input": '"Hi"',
            "lmnr.span.output": '"Hello."',
        },
        {TYPE: "AGENT", IN: "Hi", OUT: "Hello."},
    ),
    "langtrace": Case(
        {
            "langtrace.service.type": "llm",
            "langtrace.service.name": "OpenAI",
            "llm.model": "gpt-4o",
            "llm.prompts": j([QUESTION]),
            "llm.responses": j([{"role": "assistant", "content": "Sunny."}]),
            "llm.token.counts": j({"input_tokens": 10, "output_tokens": 4, "total_tokens": 14}),
        },
        {
            TYPE: "LLM",
            IN: {"messages": [QUESTION]},
            "answer": "Sunny.",
            USAGE: tokens(10, 4),
            MODEL: "gpt-4o",
            PROVIDER: "openai",
        },
    ),
    "traceloop over langgraph": Case(
        {
            "traceloop.span.kind": "workflow",
            "traceloop.entity.input": j(
                {"inputs": {"messages": [QUESTION]}, "tags": [], "kwargs": {"name": "LangGraph"}}
            ),
            "traceloop.entity.output": j(
                {
                    "outputs": {
                        "messages": [
                            {
                                "lc": 1,
                                "type": "constructor",
                                "id": ["langchain", "HumanMessage"],
                                "kwargs": {"content": "Weather in Paris?", "type": "human"},
                            },
                            {
                                "lc": 1,
                                "type": "constructor",
                                "id": ["langchain", "AIMessage"],
                                "kwargs": {"content": "Sunny.", "type": "ai"},
                            },
                        ]
                    },
                    "kwargs": {},
                }
            ),
        },
        {
            TYPE: "WORKFLOW",
            IN: {"messages": [QUESTION]},
            OUT: {"messages": [QUESTION, {"role": "assistant", "content": "Sunny."}]},
        },
    ),
    "langwatch": Case(
        {
            "langwatch.span.type": "llm",
            "langwatch.input": j({"type": "chat_messages", "value": [QUESTION]}),
            "langwatch.thread.id": "s",
        },
        {TYPE: "LLM", IN: {"messages": [QUESTION]}, SESSION: "s"},
    ),
    "traceloop vector store": Case(
        {"db.system": "chroma", "db.operation": "query"},
        {
            TYPE: "RETRIEVER",
            OUT: [
                {
                    "page_content": "Paris is sunny",
                    "metadata": {"source": "w", "distance": 0.1},
                    "id": "d1",
                }
            ],
        },
        (
            (
                "db.query.result",
                {
                    "db.query.result.id": "d1",
                    "db.query.result.distance": 0.1,
                    "db.query.result.document": "Paris is sunny",
                    "db.query.result.metadata": '{"source":"w"}',
                },
            ),
        ),
        name="chroma.query",
    ),
    "genkit picture and thoughts": Case(
        {
            "genkit:type": "action",
            "genkit:metadata:subtype": "model",
            "genkit:key": "/model/googleai/gemini-2.5-flash",
            "genkit:sessionId": "s1",
            "genkit:input": j(
                {
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {"text": "What is this?"},
                                {"media": {"url": "https://x/a.png", "contentType": "image/png"}},
                            ],
                        }
                    ],
                }
            ),
            "genkit:output": j(
                {
                    "message": {
                        "role": "model",
                        "content": [{"reasoning": "It has ears."}, {"text": "A cat."}],
                    },
                    "finishReason": "stop",
                    "usage": {
                        "inputTokens": 300,
                        "outputTokens": 20,
                        "thoughtsTokens": 8,
                        "totalTokens": 328,
                        "cachedContentTokens": 100,
                    },
                }
            ),
        },
        {
            TYPE: "CHAT_MODEL",
            MODEL: "gemini-2.5-flash",
            PROVIDER: "gemini",
            SESSION: "s1",
            "user": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "https://x/a.png"}},
            ],
            "answer": "A cat.",
            USAGE: {
                "input_tokens": 300,
                "output_tokens": 28,
                "total_tokens": 328,
                "cache_read_input_tokens": 100,
                "reasoning_tokens": 8,
            },
        },
    ),
    "genkit flow whose result looks like usage": Case(
        {
            "genkit:type": "action",
            "genkit:metadata:subtype": "flow",
            "genkit:key": "/flow/count",
            "genkit:input": j({"tools": ["hammer"], "model": "T"}),
            "genkit:output": j({"input": 5, "output": 7, "total": 12}),
        },
        {TYPE: "WORKFLOW", USAGE: None, TOOLS: None, MODEL: None},
    ),
    "genkit call around calls": Case(
        {
            "genkit:type": "util",
            "genkit:name": "generate",
            "genkit:input": j(
                {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": []}]}
            ),
            "genkit:output": j({"usage": {"inputTokens": 10, "outputTokens": 2}}),
        },
        {TYPE: "CHAIN", MODEL: "", "spangate.rollup": True},
    ),
    "results of functions under AutoGen": Case(
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "Weather in Paris?",
            "llm.input_messages.1.message.role": "function",
            "llm.input_messages.1.function.0": j(
                {"name": "get_weather", "content": "sunny", "call_id": "c1", "is_error": False}
            ),
        },
        {IN: {"messages": [QUESTION, SUNNY]}},
    ),
    "completion without roles": Case(
        {
            "openinference.span.kind": "LLM",
            "llm.prompts.0.prompt.text": "Once upon",
            "llm.choices.0.completion.text": " a time",
        },
        {TYPE: "LLM", IN: {"prompt": ["Once upon"]}, "answer": " a time"},
    ),
    "tools that ran at the model's provider": Case(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.output.messages": j(
                [
                    {
                        "role": "assistant",
                        "parts": [
                            {
                                "type": "server_tool_call",
                                "id": "c1",
                                "name": "code_interpreter",
                                "server_tool_call": {"code": "print(1)"},
                            },
                            {
                                "type": "server_tool_call_response",
                                "id": "c1",
                                "server_tool_call_response": {"logs": "1"},
                            },
                            {"type": "text", "content": "1"},
                        ],
                    }
                ]
            ),
        },
        {
            OUT: {
                "messages": [
                    {"role": "tool", "content": '{"logs":"1"}', "tool_call_id": "c1"},
                    {
                        "role": "assistant",
                        "content": "1",
                        "tool_calls": [
                            {
                                "id": "c1",
                                "type": "function",
                                "function": {
                                    "name": "code_interpreter",
                                    "arguments": '{"code":"print(1)"}',
                                },
                            }
                        ],
                    },
                ]
            }
        },
    ),
    "spring ai tool": Case(
        {
            "gen_ai.operation.name": "framework",
            "gen_ai.system": "spring_ai",
            "spring.ai.kind": "tool_call",
            "spring.ai.tool.call.arguments": '{"city":"Paris"}',
            "spring.ai.tool.call.result": "sunny",
        },
        {TYPE: "TOOL", IN: {"city": "Paris"}, OUT: "sunny"},
    ),
    "dify node": Case(
        {
            "gen_ai.span.kind": "LLM",
            "gen_ai.framework": "dify",
            "gen_ai.model_name": "gpt-4o",
            "gen_ai.provider": "openai",
            "gen_ai.usage.input_tokens": 12,
            "gen_ai.usage.output_tokens": 3,
        },
        {TYPE: "LLM", MODEL: "gpt-4o", PROVIDER: "openai", USAGE: tokens(12, 3)},
    ),
    "loongsuite step": Case(
        {"gen_ai.span.kind": "STEP", "gen_ai.operation.name": "react"}, {TYPE: "CHAIN"}
    ),
    "semantic kernel's first conventions": Case(
        {
            "gen_ai.operation.name": "chat.completions",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.prompt_tokens": 10,
            "gen_ai.response.completion_tokens": 4,
        },
        {TYPE: "CHAT_MODEL", USAGE: tokens(10, 4)},
    ),
    "haystack pipeline": Case(
        {
            "haystack.pipeline.input_data": '{"text":"hi"}',
            "haystack.pipeline.output_data": '{"reply":"yo"}',
        },
        {TYPE: "CHAIN", IN: {"text": "hi"}, OUT: {"reply": "yo"}},
    ),
    "haystack component": Case(
        {
            "haystack.component.name": "builder",
            "haystack.component.input": '{"city":"Paris"}',
            "haystack.component.output": '{"prompt":"Paris?"}',
        },
        {TYPE: "TASK", IN: {"city": "Paris"}, OUT: {"prompt": "Paris?"}},
    ),
    "codex response": Case(
        {
            "codex.request.reasoning_effort": "high",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.cache_read.input_tokens": 50,
            "gen_ai.usage.output_tokens": 20,
            "codex.usage.reasoning_output_tokens": 5,
            "codex.usage.total_tokens": 120,
        },
        {
            TYPE: "LLM",
            USAGE: tokens(100, 20, cache_read_input_tokens=50, reasoning_tokens=5),
        },
    ),
    "codex turn": Case(
        {
            "codex.turn.token_usage.input_tokens": 100,
            "codex.turn.token_usage.output_tokens": 20,
            "codex.turn.token_usage.total_tokens": 120,
            "model": "gpt-5-codex",
        },
        {TYPE: "AGENT", USAGE: tokens(100, 20), "spangate.rollup": True},
    ),
    "plain http": Case(
        {
            "http.request.method": "GET",
            "url.full": "http://x",
            "input": "not ours",
            "model": "T1000",
            "input_tokens": 5,
            "events": "x",
        },
        {TYPE: "UNKNOWN", IN: None, USAGE: None, MODEL: None},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_shows(mapped: Map, case: Case) -> None:
    """A framework's span becomes what MLflow shows best."""
    out = mapped(case.attributes, *case.events, name=case.name, scope=case.scope)

    turns = {"user": last_text(out.get(IN)), "answer": last_text(out.get(OUT))}
    for key, expected in case.expected.items():
        assert expected == (turns[key] if key in turns else out.get(key)), key


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_is_rendered(mapped: Map, case: Case) -> None:
    """What is called a conversation, and the tools, pass the checks of MLflow's UI."""
    out = mapped(case.attributes, *case.events, name=case.name, scope=case.scope)

    if "mlflow.message.format" in out:
        assert "openai" == out["mlflow.message.format"]
        for value in (out.get(IN), out.get(OUT)):
            if isinstance(value, dict) and {"messages", "choices"} & value.keys():
                assert is_conversation(value)
    assert all(map(is_tool, out.get(TOOLS, ())))


def last_text(value: Any) -> Any:
    """Return the last turn's content."""
    if not isinstance(value, dict):
        return None
    if "choices" in value:
        return value["choices"][-1]["message"]["content"]
    return value.get("messages", [{}])[-1].get("content")
