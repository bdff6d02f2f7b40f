"""``python -m gateway.cli`` is ``spangate``."""

from gateway.cli import main

main()
