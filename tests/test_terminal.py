"""What commands show in a terminal and in a file."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from asgd.terminal import approximate, make_table, render, stack

PROGRAM = """
from asgd.terminal import make_table, show
table = make_table("claim", "n", numbers=("n",))
table.add_row("[C1]", "10")
show(table, "one two three four five six seven eight nine ten eleven twelve")
"""


def run_in_terminal(columns: int, **environment: str) -> str:
    """What a terminal of this width gets from PROGRAM."""
    ours, theirs = pty.openpty()
    variables = {"TERM": "xterm-256color", "COLUMNS": str(columns), **environment}
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run([sys.executable, "-c", PROGRAM], stdout=theirs, env=kept | variables, check=True)
    os.close(theirs)
    with open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123
        text = terminal.read(100_000).decode()
    return text.replace("\r\n", "\n")


def test_a_terminal_gets_lines_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run_in_terminal(24, NO_COLOR="1").splitlines()
    assert max(len(line) for line in lines if "\x1b" not in line) <= 24
    assert "one two three four five" in [line.strip() for line in lines]


def test_a_file_gets_plain_text_in_whole_lines(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file:
        subprocess.run([sys.executable, "-c", PROGRAM], stdout=file, env={**os.environ, "COLUMNS": "24"}, check=True)
    text = (tmp_path / "out").read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert text.splitlines()[-1] == "one two three four five six seven eight nine ten eleven twelve"


def test_text_is_no_markup() -> None:
    table = make_table("claim")
    table.add_row("[bold]C1[/bold] :smile:")
    assert "[bold]C1[/bold] :smile:" in render(stack(table, "[red]end"))
    assert render(stack("a", "b")) == "a\n\nb\n"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "about 1 s"),
        (37.4, "about 37 s"),
        (59, "about 1 min"),
        (100, "about 1.7 min"),
        (1000, "about 17 min"),
        (3 * 3600 + 120, "about 3 h"),
        (90_000, "about 1 day"),
        (400_000, "about 5 days"),
    ],
)
def test_a_duration_is_as_exact_as_it_is_known(seconds: float, shown: str) -> None:
    assert approximate(seconds) == shown
