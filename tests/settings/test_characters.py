"""What of Unicode reaches the report."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from asgd.report.latex import escape
from asgd.settings.characters import find_unprintable, print_character

ROOT = Path(__file__).parents[2]

#: Alphabets, punctuation, arrows and mathematics; no ideograph is printed.
PRINTED = [chr(code) for code in range(0x20, 0x2600) if print_character(chr(code)) is not None]


def test_letters_with_accents_greek_and_signs_are_printed() -> None:
    assert (
        find_unprintable("na\u00efve \u0151 \u0142 \u00df \u03b7\u0398 \u2264 \u201cm\u201d \u2013 50 \u00b5s") is None
    )
    assert escape("\u0131\u0301 \u00ed \u03bb \u0391") == r"\i{}U+0301 \'{\i} $\lambda$ $\mathrm{A}$"
    assert len(PRINTED) > 400


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u4e2d", "U+4E2D (CJK UNIFIED IDEOGRAPH-4E2D)"),
        ("\U0001f600", "U+1F600 (GRINNING FACE)"),
        ("\u0436", "U+0436 (CYRILLIC SMALL LETTER ZHE)"),
        ("\u202e", "U+202E (RIGHT-TO-LEFT OVERRIDE)"),
        ("\x07", "U+0007 (without a name)"),
        ("x\u0301", "U+0301 (COMBINING ACUTE ACCENT)"),
    ],
)
def test_others_are_named(character: str, name: str) -> None:
    assert find_unprintable(f"ab{character}") == name


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="skipped: no pdflatex")
def test_latex_prints_them_with_the_reports_fonts(tmp_path: Path) -> None:
    preamble = (ROOT / "report/report.tex").read_text(encoding="utf-8").partition(r"\begin{document}")[0]
    preamble = preamble.replace(r"\input{generated/numbers}", r"\newcommand{\presetName}{x}")
    lines = [rf"[{ord(one):X}] {escape(one)} \textbf{{{escape(one)}}} \texttt{{{escape(one)}}}" for one in PRINTED]
    body = "\n\n".join(lines)
    (tmp_path / "all.tex").write_text(f"{preamble}\\begin{{document}}\n{body}\n\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-file-line-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    log = (tmp_path / "all.log").read_text(encoding="utf-8", errors="replace")
    assert re.findall(r"^(?:\S+\.tex:\d+: |! |Missing character).*", log, re.MULTILINE) == []
    assert done.returncode == 0
