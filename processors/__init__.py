"""The built-in processors of Spangate; the engine finds them by entry point."""
