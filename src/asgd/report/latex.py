"""Plain text as LaTeX. It knows nothing of the study."""

import re
import unicodedata

from asgd.settings.characters import print_character

#: The study's symbols with a value, e.g. ``m = 10``, are set as mathematics.
_SYMBOL = re.compile(r"(?<![\w$])([mpbn]) = (\d+(?:\.\d+)?)")
_STRENGTH = re.compile(r"(?<!\w)lambda(?:\\_(\d))? = (\d+(?:\.\d+)?)")
#: As a word of its own such a symbol is, too; not b, which lists use.
_NAME = re.compile(r"(?<=[ (])([mp])(?=[ ,;:)]|\.(?!\w)|$)")
_MINUS = re.compile(r"(?<![\w.$}-])-(?=\d)")
_PLUS_MINUS = re.compile(r"\+-(?=\d)")


def escape(text: object) -> str:
    """``text`` as LaTeX that prints it; of a character that the report's fonts lack, its code point, as in U+4E2D."""
    characters = unicodedata.normalize("NFC", str(text))
    escaped = "".join(print_character(one) or f"U+{ord(one):04X}" for one in characters)
    escaped = _PLUS_MINUS.sub(r"$\\pm$", escaped)
    escaped = _MINUS.sub("$-$", escaped)
    escaped = _STRENGTH.sub(lambda found: rf"$\lambda{f'_{found[1]}' if found[1] else ''} = {found[2]}$", escaped)
    return _NAME.sub(r"$\1$", _SYMBOL.sub(r"$\1 = \2$", escaped))
