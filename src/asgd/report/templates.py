"""The templates of report/templates: LaTeX, Markdown and HTML from one context of numbers and names."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, TemplateError

from asgd.claims.wording import FILTERS, Absent, make_environment
from asgd.errors import AsgdError
from asgd.report.generated import SUFFIX
from asgd.report.latex import escape

_SENTENCES = "sentences.txt.j2"
_COMMON: dict[str, Any] = {
    "undefined": Absent,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}
#: Braces and per cent signs are LaTeX's own.
_LATEX: dict[str, Any] = {
    "block_start_string": "<%",
    "block_end_string": "%>",
    "variable_start_string": "<<",
    "variable_end_string": ">>",
    "comment_start_string": "<#",
    "comment_end_string": "#>",
}


class Templates:
    """The templates in a folder, each filled by its name. To print a name that the context lacks is an error.

    Beside the filters of ``asgd.claims.wording`` they know `tex` (escapes), `count`, `hours`, `sentence` (a capital
    letter and a full stop), `cell` (of a Markdown table) and `spans` (of whole numbers), and the macros of
    sentences.txt.j2 as `say(NAME, ...)`.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def render(self, name: str, context: Mapping[str, Any]) -> str:
        """The file that the template ``name`` makes. Raises AsgdError naming a template that is missing or wrong."""
        path = self._folder / f"{name}{SUFFIX}"
        try:
            return self._environment(name).get_template(f"{name}{SUFFIX}").render(context)
        except TemplateError as error:
            raise AsgdError(f"{path}: {error.__class__.__name__}: {error}; correct the template") from error

    def say(self, macro: str, *numbers: Any) -> str:
        """The sentence ``macro`` on one line, without a full stop; empty where ``numbers`` have nothing to say."""
        return re.sub(r"[ \n]+", " ", str(getattr(self._sentences, macro)(*numbers))).strip(" \n")

    @cached_property
    def _sentences(self) -> Any:
        environment = self._make()
        environment.globals["phrases"] = make_environment().globals["say"]
        return environment.get_template(_SENTENCES).module

    def _environment(self, name: str) -> Environment:
        environment = self._make(**_LATEX if name.endswith(".tex") else {"autoescape": name.endswith(".html")})
        environment.globals["say"] = self.say
        return environment

    def _make(self, **options: Any) -> Environment:
        environment = Environment(loader=FileSystemLoader(self._folder), **_COMMON, **options)
        environment.filters |= FILTERS
        environment.filters |= {"tex": escape, "count": format_count, "hours": format_hours}
        environment.filters |= {"sentence": format_sentence, "cell": format_cell, "spans": format_spans}
        return environment


def format_count(number: float) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{round(number):,}".replace(",", "\N{THIN SPACE}")


def format_hours(hours: float) -> str:
    """Hours with two significant digits."""
    return f"{hours:.2g}" if hours < 10 else f"{hours:.0f}"


def format_sentence(text: str) -> str:
    """``text`` with a capital letter and a full stop; empty if it is. A symbol, as in ``m = 30``, stays as it is."""
    first = text[:1] if text[1:3] == " =" else text[:1].upper()
    return f"{first}{text[1:]}." if text else ""


def format_cell(text: str) -> str:
    """``text`` in a Markdown table: no column begins in it."""
    return text.replace("|", "\\|")


def format_spans(numbers: Iterable[int]) -> str:
    """Whole numbers in order, three or more in a row by their ends: "1, 2, 10 to 19"."""
    spans = (list(span) for _, span in groupby(enumerate(sorted(numbers)), lambda placed: placed[1] - placed[0]))
    ends = ((span[0][1], span[-1][1]) for span in spans)
    return ", ".join(
        f"{first} to {last}" if last - first > 1 else ", ".join(map(str, range(first, last + 1)))
        for first, last in ends
    )
