"""A configuration before it is typed: plain values, each with the place that it came from."""

from gateway.config.problems import KeyPath, Mark


class Node:
    """
    A value and its place.

    A key's value bears the place of the key, since that is where people look.
    """

    __slots__ = ("broken", "mark", "origin", "text", "value")

    def __init__(
        self,
        value: "bool | int | float | str | list[Node] | dict[str, Node] | None",
        mark: Mark,
        *,
        text: str | None = None,
        origin: str = "",
        broken: bool = False,
    ) -> None:
        self.value = value
        self.mark = mark
        self.text = text
        """A scalar as it was written, before YAML made it a number or a boolean."""
        self.origin = origin
        """``${env:NAME}`` and the like where the value came from there: it is never shown."""
        self.broken = broken
        """The value could not be read, which was said already; say nothing more about it."""

    def __repr__(self) -> str:
        return f"<Node {type(self.value).__name__} at {self.mark}>"


def locate(root: Node, path: KeyPath) -> Mark:
    """Return the place of a setting, or of the nearest thing around it that was written."""
    node = root
    for key in path:
        inside: Node | None = None
        if isinstance(node.value, dict):
            inside = node.value.get(str(key))
        elif isinstance(node.value, list) and isinstance(key, int) and key < len(node.value):
            inside = node.value[key]
        if inside is None:
            break
        node = inside
    return node.mark


def merge(below: Node, above: Node) -> Node:
    """Lay one tree over another: maps merge, all else is replaced."""
    if not (isinstance(below.value, dict) and isinstance(above.value, dict)):
        return above
    merged = dict(below.value)
    for key, node in above.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return Node(merged, above.mark)


def describe(node: Node) -> str:
    """Return what a person would say was found."""
    if node.origin:
        return f"the value of {node.origin}"
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        meaning = str(value).lower()
        text = meaning if node.text is None else node.text
        return text if text.lower() == meaning else f"{text}, which YAML reads as {meaning}"
    if isinstance(value, str):
        shown = value if len(value) <= 60 else value[:57] + "..."
        return f'the text "{shown}"'
    return f"{node.text if node.text is not None else value}"
