"""Typed configuration: loading, checking, and errors that say where, what and what to do."""
