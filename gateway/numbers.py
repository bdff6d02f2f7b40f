"""Numbers of things, as people write them."""


def several(count: int, noun: str) -> str:
    """Return a number with its noun, which gets an ``s`` unless it is one."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
