"""Logs of the workflow's scripts: everything that a script prints, and its errors as users are meant to see them."""

import codecs
import io
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

from asgd.errors import AsgdError

_PREFIX = "asgd: error: "


def _spell(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding lacks: + for the lines of a table, else the code point."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join("+" if "\u2500" <= one <= "\u257f" else f"\\u{ord(one):04x}" for one in lacking), error.end


_SPELL = "asgd.spell"
codecs.register_error(_SPELL, _spell)


def log_to(path: str | Path) -> None:
    """From here on write standard output and standard error to ``path``; an AsgdError is one line there."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sys.stdout = sys.stderr = _open_log(Path(path))
    sys.excepthook = _print_error


def print_error(text: object) -> None:
    """Write an error as users see it, in one line, to standard error."""
    print(f"{_PREFIX}{' '.join(str(text).splitlines())}", file=sys.stderr)


def show_warning(
    message: Warning | str, category: type, filename: str, lineno: int, file: object = None, line: str | None = None
) -> None:
    """A replacement of ``warnings.showwarning``: a line as users see it."""
    print(f"asgd: warning: {message}", file=sys.stderr)


def tolerate_output() -> None:
    """No character ends the process, in no locale: one that the terminal's encoding lacks is written as its number.

    A closed standard output or standard error takes everything and keeps nothing.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  (until the end)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_SPELL)


def discard_output() -> None:
    """Where standard output or standard error cannot be written, drop the rest, or Python's end fails over it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError), open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
                os.dup2(nowhere.fileno(), stream.fileno())


@contextmanager
def log_output(path: Path | None) -> Iterator[None]:
    """Within the block write standard output and standard error to ``path``, if there is one, and an error too."""
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open_log(path) as file, redirect_stdout(file), redirect_stderr(file):
        try:
            yield
        except AsgdError as error:
            print_error(error)
            raise


def _open_log(path: Path) -> TextIO:
    return path.open("w", buffering=1, encoding="utf-8", errors=_SPELL)


def summarize_failures(jobs: Iterable[tuple[str, Sequence[str]]], since: float) -> str:
    """Failed jobs, each by its rule's name and logs: a line for each, with what the log says went wrong.

    A log that was last written before ``since`` (seconds since the epoch) is of an earlier job.
    """
    lines = sorted(f"  {', '.join(logs) or name}: {_explain_failure(logs, since)}" for name, logs in jobs)
    advice = "Everything else was made. Run the same command again to make what is missing."
    return "\n".join([*([f"Failed jobs: {len(lines)}"] if lines else []), *lines, advice])


def _explain_failure(logs: Sequence[str], since: float) -> str:
    written = [Path(log) for log in logs if Path(log).exists() and Path(log).stat().st_mtime >= since]
    errors = [error for log in written if (error := last_error(log))]
    if errors:
        return errors[-1]
    ends = [
        lines[-1]
        for log in written
        if (lines := log.read_text(encoding="utf-8", errors="replace").strip().splitlines())
    ]
    last = f"; its log ends with: {ends[-1]}" if ends else "; it wrote no log"
    return f"ended without an error message (killed, out of memory or out of time?){last}"


def last_error(log: Path) -> str:
    """The error that ``log`` ends with, an AsgdError's text or the last line of a traceback; empty if it does not."""
    return find_error(log.read_text(encoding="utf-8", errors="replace"))


def find_error(text: str) -> str:
    """As ``last_error``, of the text of a log."""
    end = (text.strip().splitlines() or [""])[-1]
    if end.startswith(_PREFIX):
        return end.removeprefix(_PREFIX)
    return end if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", end) else ""


def _print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, AsgdError):
        print_error(error)
    else:
        traceback.print_exception(kind, error, trace)
