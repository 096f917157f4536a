"""What LaTeX prints with the report's fonts, character by character. Quick to import: params.yaml is checked by it."""

import unicodedata

#: LaTeX of characters that are not letters, and of letters that are no letter with an accent.
_SYMBOLS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': r"''",
    "`": r"\textasciigrave{}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{THIN SPACE}": r"\,",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{HYPHEN}": "-",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{HORIZONTAL ELLIPSIS}": r"\dots{}",
    "\N{LEFT SINGLE QUOTATION MARK}": "`",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{DIVISION SIGN}": r"$\div$",
    "\N{MIDDLE DOT}": r"$\cdot$",
    "\N{DEGREE SIGN}": r"$^\circ$",
    "\N{SUPERSCRIPT TWO}": "$^2$",
    "\N{SUPERSCRIPT THREE}": "$^3$",
    "\N{MINUS SIGN}": r"$-$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\le$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\ge$",
    "\N{NOT EQUAL TO}": r"$\ne$",
    "\N{ALMOST EQUAL TO}": r"$\approx$",
    "\N{PROPORTIONAL TO}": r"$\propto$",
    "\N{INFINITY}": r"$\infty$",
    "\N{SQUARE ROOT}": r"$\surd$",
    "\N{N-ARY SUMMATION}": r"$\sum$",
    "\N{NABLA}": r"$\nabla$",
    "\N{PARTIAL DIFFERENTIAL}": r"$\partial$",
    "\N{ELEMENT OF}": r"$\in$",
    "\N{LEFTWARDS ARROW}": r"$\leftarrow$",
    "\N{RIGHTWARDS ARROW}": r"$\rightarrow$",
    "\N{LEFT RIGHT ARROW}": r"$\leftrightarrow$",
    "\N{SECTION SIGN}": r"\S{}",
    "\N{PILCROW SIGN}": r"\P{}",
    "\N{POUND SIGN}": r"\pounds{}",
    "\N{COPYRIGHT SIGN}": r"\copyright{}",
    "\N{REGISTERED SIGN}": r"\textregistered{}",
    "\N{TRADE MARK SIGN}": r"\texttrademark{}",
    "\N{INVERTED EXCLAMATION MARK}": r"\textexclamdown{}",
    "\N{INVERTED QUESTION MARK}": r"\textquestiondown{}",
    "\N{MICRO SIGN}": r"$\mu$",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "å": r"\aa{}",
    "Å": r"\AA{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "\N{LATIN SMALL LETTER DOTLESS I}": r"\i{}",
}
#: LaTeX's accents by Unicode's combining characters.
_ACCENTS = {
    "\N{COMBINING GRAVE ACCENT}": "`",
    "\N{COMBINING ACUTE ACCENT}": "'",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~",
    "\N{COMBINING MACRON}": "=",
    "\N{COMBINING BREVE}": "u",
    "\N{COMBINING DOT ABOVE}": ".",
    "\N{COMBINING DIAERESIS}": '"',
    "\N{COMBINING RING ABOVE}": "r",
    "\N{COMBINING DOUBLE ACUTE ACCENT}": "H",
    "\N{COMBINING CARON}": "v",
    "\N{COMBINING CEDILLA}": "c",
    "\N{COMBINING DOT BELOW}": "d",
    "\N{COMBINING MACRON BELOW}": "b",
}
_ABOVE = set(_ACCENTS.values()) - {"c", "d", "b"}
_GREEK = {
    *("ALPHA", "BETA", "GAMMA", "DELTA", "EPSILON", "ZETA", "ETA", "THETA", "IOTA", "KAPPA", "LAMDA", "MU", "NU", "XI"),
    *("OMICRON", "PI", "RHO", "SIGMA", "TAU", "UPSILON", "PHI", "CHI", "PSI", "OMEGA"),
}
#: Greek capitals that are Latin ones in LaTeX's fonts.
_LATIN = {"ALPHA": "A", "BETA": "B", "EPSILON": "E", "ZETA": "Z", "ETA": "H", "IOTA": "I", "KAPPA": "K", "MU": "M"}
_LATIN |= {"NU": "N", "OMICRON": "O", "RHO": "P", "TAU": "T", "CHI": "X"}


def print_character(character: str) -> str | None:
    """LaTeX that prints ``character``; None where the report's fonts lack it."""
    if character in _SYMBOLS:
        return _SYMBOLS[character]
    if character.isspace():
        return " "
    if character.isascii():
        return character if character.isprintable() else None
    return _print_accented(character) or _print_greek(character)


def find_unprintable(text: str) -> str | None:
    """The first character of ``text`` that the report cannot print, by code point and name; None if there is none."""
    for character in unicodedata.normalize("NFC", text):
        if print_character(character) is None:
            return f"U+{ord(character):04X} ({unicodedata.name(character, 'without a name')})"
    return None


def _print_accented(character: str) -> str | None:
    letter, *marks = list(unicodedata.normalize("NFD", character))
    if len(marks) != 1 or marks[0] not in _ACCENTS or not (letter.isascii() and letter.isalpha()):
        return None
    accent = _ACCENTS[marks[0]]
    dotless = letter in "ij" and accent in _ABOVE
    return rf"\{accent}{{\{letter}}}" if dotless else rf"\{accent}{{{letter}}}"


def _print_greek(character: str) -> str | None:
    words = unicodedata.name(character, "").split()
    if len(words) != 4 or words[0] != "GREEK" or words[2] != "LETTER" or words[3] not in _GREEK:
        return None
    name = words[3].replace("LAMDA", "LAMBDA")
    if words[1] == "CAPITAL":
        return rf"$\mathrm{{{_LATIN[name]}}}$" if name in _LATIN else rf"$\{name.capitalize()}$"
    return "o" if name == "OMICRON" else rf"$\{name.lower()}$"
