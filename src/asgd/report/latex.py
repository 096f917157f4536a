"""Plain text and numbers as LaTeX: escaping, macros and tables. It knows nothing of the study."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from asgd.settings.characters import print_character

#: The study's symbols with a value, e.g. ``m = 10``, are set as mathematics.
_SYMBOL = re.compile(r"(?<![\w$])([mpbn]) = (\d+(?:\.\d+)?)")
_MINUS = re.compile(r"(?<![\w.$}-])-(?=\d)")
_PLUS_MINUS = re.compile(r"\+-(?=\d)")
_MACRO_NAME = re.compile(r"[A-Za-z]+")


def escape(text: object) -> str:
    """``text`` as LaTeX that prints it; of a character that the report's fonts lack, its code point, as in U+4E2D."""
    characters = unicodedata.normalize("NFC", str(text))
    escaped = "".join(print_character(one) or f"U+{ord(one):04X}" for one in characters)
    escaped = _PLUS_MINUS.sub(r"$\\pm$", escaped)
    escaped = _MINUS.sub("$-$", escaped)
    return _SYMBOL.sub(r"$\1 = \2$", escaped)


def define_macros(macros: Mapping[str, str]) -> str:
    r"""A ``\newcommand`` for each name (letters only, or ValueError); the values are LaTeX already."""
    for name in macros:
        if not _MACRO_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a LaTeX command: letters only")
    return "".join(f"\\newcommand{{\\{name}}}{{{value}}}\n" for name, value in macros.items())


def make_table(columns: str, header: Sequence[str], groups: Iterable[Iterable[Sequence[str]]]) -> str:
    """A ``tabular`` with a rule between groups of rows; header and cells are LaTeX already."""
    bodies = ["".join(f"{' & '.join(row)} \\\\\n" for row in rows) for rows in groups]
    head = f"{' & '.join(header)} \\\\\n\\midrule\n" if header else ""
    content = "\\midrule\n".join(body for body in bodies if body)
    return f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head}{content}\\bottomrule\n\\end{{tabular}}\n"


def format_count(number: float) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{round(number):,}".replace(",", r"\,")


def list_words(items: Sequence[object], last: str = "and") -> str:
    """``1, 2 and 3``, escaped."""
    words = [escape(f"{item:g}" if isinstance(item, float) else item) for item in items]
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
