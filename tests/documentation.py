"""The pages of docs/ as tests read them: commands and programs to run, and files that a page tells to write."""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

from asgd.report.readme import find_shown
from asgd.settings.study import load_params
from tests.pipeline import ROOT

#: The study that the README and the gallery show.
SHOWN = str(find_shown(load_params(ROOT / "params.yaml")))

PAGES = sorted((ROOT / "docs").rglob("*.md"))

_BLOCK = re.compile(
    r"(?:^`(?P<path>[\w./]+)`(?:, before `(?P<place>[^`\n]+)`)?:\n\n)?^```(?P<language>\S*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Example:
    """A file that a page shows in full, or with ``place`` lines, without their indentation, for one that exists."""

    path: str
    place: str | None  #: how the line begins before which the text goes
    text: str

    def write(self, folder: Path) -> None:
        """Put it into the copy of the project in ``folder``. AssertionError where there is no such place, or two."""
        path = folder / self.path
        if self.place is None:
            path.write_text(self.text, encoding="utf-8")
            return
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        places = [number for number, line in enumerate(lines) if line.lstrip().startswith(self.place)]
        assert len(places) == 1, f"{self.path}: {self.place} begins the lines {places}"
        found = lines[places[0]]
        lines.insert(places[0], indent(self.text, found[: len(found) - len(found.lstrip())]))
        path.write_text("".join(lines), encoding="utf-8")


def list_blocks(page: Path, language: str) -> list[str]:
    """The blocks of ``language`` that are no examples of files."""
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [block["text"] for block in found if block["language"] == language and not block["path"]]


def list_examples(page: Path) -> list[Example]:
    """The files that ``page`` tells to write, in order."""
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Example(block["path"], block["place"], block["text"]) for block in found if block["path"]]
