"""
What a rule is, and how the prefilter's part of it is derived.

Every pattern is RE2 over UTF-8 bytes, so that no text can make it slow. A pattern's first part,
its *trigger*, decides alone whether a closer look is worth while. ``relax`` turns it into a
pattern for raw bytes that matches wherever the rule could match once escapes are undone: inside
an encoded request, inside JSON inside JSON, beside a length byte.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeAlias

WINDOW: Final = 60
"""How many bytes before a candidate its context words are looked for."""

RAW_WINDOW: Final = 320
"""How far behind a context word raw text is looked at: escapes make the window longer."""


class Candidate:
    """
    A piece of text that a pattern matched.

    Args:
        data: the text.
        start: where the piece begins.
        end: where it ends.
        key: the words of the key under which the text stands; empty where there is none.

    """

    __slots__ = ("data", "end", "key", "start")

    def __init__(self, data: bytes, start: int, end: int, key: str) -> None:
        self.data = data
        self.start = start
        self.end = end
        self.key = key

    def moved(self, start: int, end: int) -> "Candidate":
        """Return the candidate at other bounds."""
        return Candidate(self.data, start, end, self.key)

    @property
    def text(self) -> str:
        """The matched text."""
        return self.data[self.start : self.end].decode("utf-8", "replace")

    @property
    def before(self) -> bytes:
        """The text right before it."""
        return self.data[max(0, self.start - WINDOW) : self.start]

    @property
    def after(self) -> bytes:
        """The text right behind it."""
        return self.data[self.end : self.end + 8]


Bounds: TypeAlias = tuple[int, int]
Check: TypeAlias = Callable[[Candidate], Bounds | None]
"""Return where in the text the finding is, perhaps narrower or wider, or ``None`` if it is none."""


class Rule(NamedTuple):
    """How to recognise one type of finding."""

    type: str
    trigger: str
    """Pattern that begins each match; a closer look is taken only where its relaxed form hits."""

    rest: str = ""
    """The rest of the pattern. Group 1, where there is one, is the finding."""

    check: Check | None = None
    """Decides about a match; ``None`` believes the pattern."""

    context: tuple[str, ...] = ()
    """Words, one of which must stand before the match or in its key; empty means no need."""

    hint: str | None = None
    """Prefilter pattern where none can be derived from the trigger."""

    is_long: bool = False
    """Whether the trigger may match more than a hundred bytes, as a user's may."""

    joints: str = ""
    """
    Marks that tie a number to a digit before them, as in ``0.5`` or ``12:07``.

    The check refuses what is tied so; ``-`` comes last.
    """

    @property
    def pattern(self) -> str:
        """The whole pattern."""
        return self.trigger + self.rest

    def prefilter(self) -> str:
        """Return a pattern for raw bytes (Latin-1) that hits wherever the rule may match."""
        if self.hint is not None:
            return self.hint
        if self.joints:
            relaxed = _apart(self.joints) + relax(self.trigger.removeprefix(r"\b"))
            relaxed += _NUMBER_END if self.trigger.endswith(r"\b") else ""
        else:
            relaxed = relax(self.trigger, bounded=not self.context)
        # That there is a match is all to be told; how far it goes costs time.
        return _OPEN_END.sub(r"{\1}", relaxed)


_CLASS_OR_SPACE: Final = re.compile(r"\\.|\[\^?\]?[^\]]*\]| ")


def spaced(word: str) -> str:
    """Return a context word whose spaces may also be underscores, as in names."""
    return _CLASS_OR_SPACE.sub(lambda part: "[ _]" if part[0] == " " else part[0], word)


_BEGINS: Final = re.compile(r"\\b([a-z])")


def in_names(word: str) -> str:
    r"""
    Return a context word that is also found within names.

    An underscore parts words as a space does, and so do capitals: ``phone`` stands in
    ``contact_phone``, ``homePhone`` and ``phoneNumber``.
    """
    word = spaced(word)
    if word.endswith(r"\b"):
        word = word.removesuffix(r"\b") + r"(?:\b|_|(?-i:[A-Z]))"
    begins = _BEGINS.match(word)
    if begins is not None:
        first = begins[1]
        return rf"(?:(?:\b|_){first}|(?-i:[a-z]{{2}}{first.upper()})){word[begins.end() :]}"
    return r"(?:\b|_)" + word.removeprefix(r"\b") if word.startswith(r"\b") else word


_OPEN_END: Final = re.compile(r"\{(\d+),\}(?=\)*$)")


_HIDDEN_BOUNDARY: Final = (
    r"\\[nrtbf]|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|%[0-9a-fA-F]{2}"
    r"|[\n\x12\x1a*:\x80-\xff][\x00-\x7f]"
)
_BOUNDARY: Final = rf"(?:\b|{_HIDDEN_BOUNDARY})"
"""Where a word may begin in raw bytes: after an escape or a length byte, too."""


def _apart(joints: str) -> str:
    """Return where a number may begin that is no other one's end, as after ``0.`` or ``12:``."""
    return rf"(?:\A|[^0-9A-Za-z_{joints}]|(?:\A|[^0-9])[{joints}]|{_HIDDEN_BOUNDARY})"


_NUMBER_END: Final = r"(?:[^1-8]|\z)"
"""Where a number ends in raw bytes: the tag of the field behind a span's name is a 0 or a 9."""


def bounded(relaxed: str) -> str:
    """Return a relaxed pattern that matches where a word may begin alone."""
    return f"(?:{_BOUNDARY}{relaxed})"


def united(patterns: Iterable[str]) -> str:
    """
    Return one relaxed pattern for several, with as few parts as can be.

    Each state of the automaton lists the parts that may go on. Of texts that nobody has seen, such
    as images in base64, nearly every byte makes a state: what it takes depends on this list.
    """
    at_boundary: list[str] = []
    anywhere: list[str] = []
    head = f"(?:{_BOUNDARY}"
    for pattern in patterns:
        if pattern.startswith(head) and not _alternates(pattern.removeprefix(head)):
            at_boundary.append("(?:" + pattern.removeprefix(head))
        else:
            anywhere.append(pattern)
    # Sorted, so that RE2 shares what neighbours begin with.
    if at_boundary:
        anywhere.append(f"{_BOUNDARY}(?:{'|'.join(sorted(at_boundary))})")
    return "|".join(sorted(anywhere))


def _alternates(pattern: str) -> bool:
    """Whether there may be a choice outside all groups that begin and end in a pattern."""
    bare = re.sub(r"\[[^\]]*\]", "", re.sub(r"\\.", "", pattern, flags=re.DOTALL))
    while (shorter := re.sub(r"\([^()]*\)", "", bare)) != bare:
        bare = shorter
    return "|" in bare


_ANY: Final = r"[\x00-\xff]{1,12}"
"""One character that may be escaped, even several times over."""

_BEYOND_ASCII: Final = r"[\x80-\xff]+|\\+u[0-9a-fA-F]{4}"

_PART: Final = re.compile(
    r"""(?P<cls>\[\^?\]?(?:\\[pP]\{\^?\w+\}|\\.|\[:\^?\w+:\]|[^\]\\])*\])
    |(?P<edge>\\[bBAz]|\^|\$)
    |(?P<any>\\[sSWDCntrfvx0-7]|\\[pP](?:\{\^?\w+\}|\w)|\.)
    |(?P<slash>\\\\|"|/|\\/)
    |(?P<plain>\(\?P?[\w<>:-]*|\{[\d,]+\}|\\.|[\x00-\x7f])
    |(?P<letter>[^\x00-\x7f])""",
    re.DOTALL | re.VERBOSE,
)
_UNSAFE_IN_CLASS: Final = re.compile(
    r"""^\[\^|["]|\\[\\sSWDntrfvxPC]|\[:\^?(?:space|graph|print|punct)"""
)
_LETTERS_IN_CLASS: Final = re.compile(r"\\p\{\w+\}|[^\x00-\x7f]")


def relax(pattern: str, *, bounded: bool = True) -> str:
    r"""
    Return the pattern for raw bytes in Latin-1: what it matches, the argument matches too.

    Zero-width assertions go (a leading ``\b`` becomes a boundary that knows escapes and length
    bytes); what may be escaped in raw text may stand there escaped; letters beyond ASCII are
    UTF-8 or ``\uXXXX``, in either case. Groups capture nothing, large counts are open ended.
    """
    if r"\Q" in pattern or re.search(r"\\x\{|\\x[0-9a-fA-F]|\\[0-7]", pattern):
        return ""
    out = [_BOUNDARY] if bounded and pattern.startswith(r"\b") else []
    for part in _PART.finditer(pattern):
        text = part.group()
        if part.lastgroup == "plain":
            out.append(_relax_plain(text))
        elif part.lastgroup == "cls":
            out.append(_relax_class(text))
        elif part.lastgroup == "any":
            out.append(f"(?:{_ANY})")
        elif part.lastgroup == "slash":
            out.append(r"(?:\\+)" if text == r"\\" else rf"(?:\\*{text[-1]})")
        elif part.lastgroup == "letter":
            out.append(_anyhow(text))
    return f"(?:{''.join(out)})"


_COUNT: Final = re.compile(r"\{(\d+)(,?)(\d*)\}")
_MANY: Final = 12
"""Counting further would multiply the states of the automaton, for few hits less."""

_WIDE: Final = 8
"""So would ranges that are wider."""


def _relax_plain(text: str) -> str:
    if text == "(" or text.startswith(("(?P<", "(?<")):
        return "(?:"
    count = _COUNT.fullmatch(text)
    if count is None:
        return text
    least, most = int(count[1]), int(count[3] or count[1])
    if least > _MANY or most - least > _WIDE:
        return f"{{{min(least, _MANY)},}}"
    return text


def _relax_class(text: str) -> str:
    if _UNSAFE_IN_CLASS.search(text):
        return f"(?:{_ANY})"
    if not _LETTERS_IN_CLASS.search(text):
        return text
    digits = "0-9" if r"\p{N}" in text else ""
    letters = "A-Za-z" if r"\p{L}" in text else ""
    rest = _LETTERS_IN_CLASS.sub("", text)[1:-1]
    return f"(?:[{letters}{digits}{rest}]|{_BEYOND_ASCII})"


def _anyhow(letter: str) -> str:
    """Return a letter beyond ASCII in either case, as UTF-8 bytes or escaped."""
    options: list[str] = []
    for form in sorted({letter, letter.lower(), letter.upper()}):
        options.append("".join(rf"\x{byte:02x}" for byte in form.encode()))
        units = form.encode("utf-16-be").hex()
        options.append("".join(rf"\\+u(?i:{units[at : at + 4]})" for at in range(0, len(units), 4)))
    return f"(?:{'|'.join(options)})"
