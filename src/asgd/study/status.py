"""How far a study is, read from its files: so it works for a run in another terminal, and on a cluster, alike."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.bar import Bar
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from asgd.errors import AsgdError
from asgd.logs import last_error
from asgd.runs.folder import is_finished, list_files, read_run
from asgd.settings.run import Run

#: Steps that count as an epoch where a run's length is given in steps.
_STEPS_PER_EPOCH = 12_500
_RECENT = 3600.0  # seconds over which the speed is taken
_SILENT = 600.0  # a log that nothing was written to for so many seconds is not of a running job
_REFRESH = 5.0  # seconds


@dataclass(frozen=True)
class Status:
    """Runs by what became of them, and the time left at the speed of the last hour."""

    done: int
    running: tuple[str, ...]  #: names
    failed: Mapping[Path, str]  #: logs and the errors that they end with; folders and why they are not the run's
    total: int
    share: float  #: of the work in epochs, in [0, 1]
    seconds_left: float | None  #: None before two runs are finished

    @property
    def waiting(self) -> int:
        """Runs that are none of these."""
        return self.total - self.done - len(self.running) - len(self.failed)


def read_status(runs: Mapping[str, Run], store: Path, logs: Path, now: float) -> Status:
    """The state of ``runs`` (by name) at ``now``, seconds since the epoch, from their folders and ``logs``."""
    wrong = {name: fault for name in runs if is_finished(store / name) and (fault := _find_fault(store / name))}
    finished = {name: None if name in wrong else _finished_at(store / name) for name in runs}
    open_logs = {name: logs / f"{name}.log" for name, when in finished.items() if when is None and name not in wrong}
    written = {name: log for name, log in open_logs.items() if log.exists()}
    failed = {store / name: fault for name, fault in wrong.items()}
    failed |= {log: error for log in written.values() if (error := last_error(log))}
    running = [n for n, log in written.items() if log not in failed and now - log.stat().st_mtime < _SILENT]
    work = {name: _epochs(run) for name, run in runs.items()}
    done = {name: when for name, when in finished.items() if when is not None}
    share = sum(work[name] for name in done) / sum(work.values())
    # A run without a log was not trained here but unpacked or pulled, all at one moment.
    trained = {name: when for name, when in done.items() if (logs / f"{name}.log").exists()}
    recent = sorted((when, work[name]) for name, when in trained.items() if now - when < _RECENT)
    left = None
    if len(recent) > 1:
        left = (now - recent[0][0]) * (1 - share) * sum(work.values()) / sum(amount for _, amount in recent[1:])
    return Status(len(done), tuple(running), failed, len(runs), share, left)


def show_status(status: Status) -> Group:
    """A bar, the counts with the time left, and a line for each run that is running or failed."""
    counts = Table.grid(padding=(0, 2))
    left = "unknown" if status.seconds_left is None else str(timedelta(seconds=round(status.seconds_left)))
    numbers = {"done": status.done, "running": len(status.running), "failed": len(status.failed)}
    cells = [f"{count:,} {name}" for name, count in (numbers | {"waiting": status.waiting}).items()]
    counts.add_row(*cells, f"{status.share:.0%} of the work", f"time left: {left}")
    lines = [Text(f"running  {name}") for name in status.running]
    lines += [Text(f"failed   {log}: {error}") for log, error in status.failed.items()]
    return Group(Bar(1.0, 0.0, status.share), counts, *lines)


def print_status(runs: Mapping[str, Run], store: Path, logs: Path, watch: bool = False) -> None:
    """Print the state once, or go on until all runs are done, failed or left alone."""
    console = Console()
    if not watch:
        console.print(show_status(read_status(runs, store, logs, time.time())))
        return
    with Live(console=console) as live:
        while True:
            status = read_status(runs, store, logs, time.time())
            live.update(show_status(status))
            if status.done + len(status.failed) == status.total:
                return
            time.sleep(_REFRESH)


def _finished_at(folder: Path) -> float | None:
    return max((folder / name).stat().st_mtime for name in list_files(folder.name)) if is_finished(folder) else None


def _find_fault(folder: Path) -> str:
    """Why the files of a finished run are not its own; empty if they are."""
    try:
        read_run(folder)
    except AsgdError as error:
        return str(error).removeprefix(f"{folder}{os.sep}")
    return ""


def _epochs(run: Run) -> float:
    return run.config.epochs if run.config.steps is None else run.config.steps / _STEPS_PER_EPOCH
