"""
What a dialect's table holds: where an instrumentation writes each thing that MLflow shows.

All tables are joined into one plan (:mod:`processors.mlflow_mapping.plan`), so that spans which
speak several dialects at once, as most do, are read as a whole. In a tuple the first key that a
span has wins; between dialects the order of ``dialects.ALL``.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

Keys = tuple[str, ...]
Names = Mapping[str, str]
_NONE: Names = MappingProxyType({})


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One instrumentation's way of writing."""

    name: str
    only_with: Keys = ()
    """Keys (or, with a dot at the end, their beginnings) one of which a span must have for the
    ``plain`` keys to count."""
    plain: Keys = ()
    """Those keys of this table that other programs use for other things."""

    # what a span is
    kinds: Mapping[str, Names] = MappingProxyType({})
    """Key that says what a span is, to its values (lower case) and their MLflow types."""
    scopes: Keys = ()
    """Beginnings of the scopes (or SDK names) in which ``span_names`` and ``exclusive`` hold."""
    span_names: Names = _NONE
    """Span name, or its first word, to type; asked where no key says it."""
    hints: Names = _NONE
    """Key whose mere presence tells the type; asked last."""
    rollups: Names = _NONE
    """Key to a value prefix that marks a call around other calls, whose usage it repeats;
    a value that goes on with ``.do`` is the call itself."""

    # who answered
    model: Keys = ()
    provider: Keys = ()
    model_behind: Names = _NONE
    """Key to a beginning of its value behind which provider and model stand; a value that begins
    otherwise names something else."""

    # tokens
    input_tokens: Keys = ()
    output_tokens: Keys = ()
    total_tokens: Keys = ()
    cache_read: Keys = ()
    cache_write: Keys = ()
    cache_write_1h: Keys = ()
    reasoning: Keys = ()
    audio_input: Keys = ()
    audio_output: Keys = ()
    image_input: Keys = ()
    image_output: Keys = ()
    usage: Keys = ()
    """Keys of JSON objects that hold counters under a vendor's names."""
    usage_within: Keys = ()
    """Keys of JSON objects of which one member, ``usage``, holds counters."""
    exclusive: Keys = ()
    """Providers whose input tokens leave out those that came from or went to the cache; ``*`` is
    all of them. Holds where a scope or ``only_with`` shows that the span is of this dialect."""

    # the conversation
    system: Keys = ()
    input_messages: Keys = ()
    """Keys of message lists, as JSON or arrays."""
    output_messages: Keys = ()
    input_groups: Keys = ()
    """Prefixes of messages flattened into ``PREFIX.0.role`` and the like."""
    output_groups: Keys = ()
    reply: Names = _NONE
    """Key to the field of the assistant's message that it holds: content, tool_calls, reasoning."""
    finish: Keys = ()

    # everything else that goes in and comes out
    inputs: Keys = ()
    outputs: Keys = ()
    input_fields: Names = _NONE
    """Key to its name in an object that becomes the inputs, where nothing better is there."""
    output_fields: Names = _NONE
    documents: Keys = ()
    """Prefixes of flattened documents that came out."""
    input_documents: Keys = ()
    document_lists: Keys = ()
    """Keys of JSON lists of documents that came out."""
    texts: Keys = ()
    """Keys, or prefixes of flattened lists, of texts that were embedded."""
    vectors: Keys = ()
    """Keys of embeddings; only their number and size is written."""

    # tools
    tools: Keys = ()
    tool_groups: Keys = ()
    tools_within: Keys = ()
    """Keys of JSON objects of which one member, ``tools``, lists those a model may call."""

    # whose it is
    session: Keys = ()
    user: Keys = ()
    trace_name: Keys = ()
    tags: Keys = ()
    """Keys of lists (or texts with commas) of tags."""
    tag_fields: Names = _NONE
    """Key to the name of the trace tag it becomes."""
    metadata: Keys = ()
    """Keys of JSON objects whose plain values become trace tags."""
    metadata_prefixes: Keys = ()
    """Prefixes of keys that become trace tags."""

    # what went wrong
    error_type: Keys = ()
    error_message: Keys = ()
    error_level: Keys = ()
    """Keys that say ERROR where the operation failed."""
