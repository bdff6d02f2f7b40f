"""The built-in exporters of Spangate; the engine finds them by entry point."""
