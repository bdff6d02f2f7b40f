"""Whose line an error is said to come from."""

from pathlib import Path

import gateway
from gateway.batch import Batch
from gateway.blame import place
from gateway.otlp import wire


def test_names_the_components_own_line() -> None:
    """The innermost line of a component's folder is named, compiled or not."""
    try:
        Batch(b"\xff").entries()
    except wire.MalformedError as error:
        found = place(error, Path(gateway.__file__).parent)

    assert found.startswith(" at wire.py:")
