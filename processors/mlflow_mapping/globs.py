"""Names that a list drops, unless another keeps them."""

import fnmatch
import re
from collections.abc import Callable, Sequence


class Globs:
    """
    Decide by names.

    Args:
        drop: globs of what goes; upper and lower case do not matter.
        keep: globs of what stays although ``drop`` names it.

    """

    def __init__(self, drop: Sequence[str], keep: Sequence[str]) -> None:
        self._drops_any = bool(drop)
        self._drop = _compile(drop)
        self._keep = _compile(keep)

    def dropped(self, name: str) -> bool:
        """Return whether a name goes."""
        if not self._drops_any:
            return False
        lower = name.lower()
        return bool(self._drop(lower)) and not self._keep(lower)


def _compile(globs: Sequence[str]) -> Callable[[str], object]:
    return re.compile("|".join(fnmatch.translate(glob.lower()) for glob in globs) or "(?!)").match
