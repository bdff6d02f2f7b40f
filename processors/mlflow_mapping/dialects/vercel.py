"""
The Vercel AI SDK.

Source: ai-sdk.dev, "Telemetry"; the ``ai`` package's spans.
"""

from processors.mlflow_mapping.dialect import Dialect

VERCEL = Dialect(
    name="vercel",
    kinds={
        "ai.operationId": {
            "ai.generatetext": "LLM",
            "ai.streamtext": "LLM",
            "ai.generateobject": "LLM",
            "ai.streamobject": "LLM",
            "ai.generatetext.dogenerate": "LLM",
            "ai.streamtext.dostream": "LLM",
            "ai.generateobject.dogenerate": "LLM",
            "ai.streamobject.dostream": "LLM",
            "ai.toolcall": "TOOL",
            "ai.embed": "EMBEDDING",
            "ai.embed.doembed": "EMBEDDING",
            "ai.embedmany": "EMBEDDING",
            "ai.embedmany.doembed": "EMBEDDING",
            "ai.rerank": "RERANKER",
            "ai.rerank.dorerank": "RERANKER",
            "ai.generateimage": "CHAIN",
            "ai.generateimage.dogenerate": "LLM",
            "ai.generatespeech": "CHAIN",
            "ai.generatespeech.dogenerate": "LLM",
            "ai.transcribe": "CHAIN",
            "ai.transcribe.dogenerate": "LLM",
        }
    },
    rollups={"ai.operationId": "ai."},
    model=("ai.response.model", "ai.model.id"),
    provider=("ai.model.provider",),
    input_tokens=("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
    output_tokens=("ai.usage.outputTokens", "ai.usage.completionTokens"),
    total_tokens=("ai.usage.totalTokens",),
    cache_read=("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens"),
    cache_write=("ai.usage.inputTokenDetails.cacheWriteTokens",),
    reasoning=("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
    input_messages=("ai.prompt.messages", "ai.prompt"),
    reply={
        "ai.response.text": "content",
        "ai.result.text": "content",
        "ai.response.object": "content",
        "ai.result.object": "content",
        "ai.response.toolCalls": "tool_calls",
        "ai.result.toolCalls": "tool_calls",
        "ai.response.reasoning": "reasoning",
        "ai.response.files": "files",
    },
    finish=("ai.response.finishReason", "ai.finishReason"),
    inputs=("ai.toolCall.args",),
    outputs=("ai.toolCall.result",),
    input_fields={"ai.documents": "documents", "ai.query": "query"},
    document_lists=("ai.ranking",),
    texts=("ai.values", "ai.value"),
    vectors=("ai.embeddings", "ai.embedding"),
    tools=("ai.prompt.tools",),
    session=(
        "ai.telemetry.metadata.sessionId", "ai.telemetry.metadata.session_id",
        "ai.telemetry.metadata.threadId", "ai.telemetry.metadata.conversationId",
        "ai.telemetry.metadata.chatId",
    ),
    user=("ai.telemetry.metadata.userId", "ai.telemetry.metadata.user_id"),
    tags=("ai.telemetry.metadata.tags",),
    metadata_prefixes=("ai.telemetry.metadata.",),
)  # fmt: skip
