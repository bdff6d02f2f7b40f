"""The built-in exporters of Spangate; the engine finds them by entry point."""

import gateway as _gateway  # noqa: F401 - joins packages of the same name, see gateway.namesakes
