"""How far a study is, read from its files: so it works for a run in another terminal, and on a cluster, alike."""

import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from asgd.errors import AsgdError
from asgd.files import read_json
from asgd.logs import find_error
from asgd.runs.orders import BEGINS
from asgd.runs.pool import Pool
from asgd.settings.run import Run, RunConfig
from asgd.study.remaining import SPEED, Remaining, Speeds
from asgd.terminal import approximate, make_table, open_console, show

_SILENT = 600.0  # a log that nothing was written to for so many seconds is not of a running job
_REFRESH = 5.0  # seconds
_MOST_LISTED = 10  # running or failed runs
_BAR = 60  # characters
_ENDED = re.compile(r", outcome \w+$|: finished before, skipped$", re.MULTILINE)  # in the log of a batch


class State(StrEnum):
    """What became of a run."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True)
class Status:
    """What became of each run, and the work that is left."""

    states: Mapping[str, State]  #: by run
    begun: Mapping[str, int]  #: gradients that the running ones have had
    failed: Mapping[Path, str]  #: logs and the errors that they end with; folders and why they are not the run's
    remaining: Remaining

    def count(self, state: State) -> int:
        """How many runs are in this state."""
        return sum(found is state for found in self.states.values())

    @property
    def seconds_left(self) -> float | None:
        """With as many runs at a time as now; None where nothing is running, or no speed is known."""
        running = self.count(State.RUNNING)
        return self.remaining.seconds / running if running and self.remaining.seconds else None


class StatusReader:
    """Reads the state of ``runs`` (by name) from the pool of finished runs in ``store``, and from ``logs``.

    ``logs`` has a log for each run, the folder ``batches`` beside it one for each batch, and ``orders`` the orders of
    batches in the making. A finished run in a folder is read once, so that to ask again is fast. One in a batch was
    checked when the study was planned: one of each batch is read, to know how fast it was.
    """

    def __init__(self, runs: Mapping[str, Run], store: Path, logs: Path, orders: Path | None = None) -> None:
        self._runs, self._store, self._logs, self._orders = runs, store, logs, orders
        self._read: dict[str, tuple[float, str, Mapping[str, float]]] = {}
        self._samples: dict[Path, tuple[RunConfig, Mapping[str, float]] | None] = {}

    def read(self, now: float) -> Status:
        """The state at ``now``, seconds since the epoch."""
        states, begun, failed, speeds = {}, {}, {}, Speeds()
        with Pool(self._store) as pool:
            parts, batches = dict(self._read_batches()), pool.list_batches()
            for name, run in self._runs.items():
                place = pool.find(name)
                if place in batches:
                    states[name] = State.DONE
                    if place not in self._samples:
                        self._samples[place] = self._sample(pool, place, run)
                elif place:
                    fault, record = self._read_once(place, run.config)
                    states[name] = State.FAILED if fault else State.DONE
                    if fault:
                        failed[place] = fault
                    elif (self._logs / f"{name}.log").exists():  # else it was not trained here but unpacked or pulled
                        speeds.add(run.config, record)
                else:
                    part = parts.get(name) or _Part(self._logs / f"{name}.log")
                    states[name] = part.find_state(now)
                    if states[name] is State.RUNNING:
                        begun[name] = _read_step(part.text)
                    elif states[name] is State.FAILED:
                        failed[part.log] = find_error(part.text)
        for sample in filter(None, self._samples.values()):
            speeds.add(*sample)
        left = (State.RUNNING, State.WAITING)
        rest = [(self._runs[name].config, begun.get(name, 0)) for name, state in states.items() if state in left]
        return Status(states, begun, failed, speeds.estimate(rest))

    def _read_batches(self) -> Iterator[tuple[str, "_Part"]]:
        """What the logs of batches in the making say of each run."""
        for orders in self._orders.glob("*.jsonl") if self._orders else ():
            log = self._batch_logs / f"{orders.stem}.log"
            for run, text in _cut_log(_read_log(log)):
                yield run, _Part(log, text)

    @property
    def _batch_logs(self) -> Path:
        return self._logs.with_name("batches")

    def _sample(self, pool: Pool, batch: Path, run: Run) -> tuple[RunConfig, Mapping[str, float]] | None:
        """How fast a run of a batch was, if that was trained here."""
        if (self._batch_logs / f"{batch.stem}.log").exists():
            with suppress(AsgdError):
                record, _ = pool.read(run.name)
                return run.config, {name: float(record[name]) for name in SPEED}
        return None

    def _read_once(self, folder: Path, config: RunConfig) -> tuple[str, Mapping[str, float]]:
        """What is wrong with a finished run, if anything, and of its run.json what tells its speed."""
        written = (folder / "run.json").stat().st_mtime
        if folder.name not in self._read or self._read[folder.name][0] != written:
            speed: Mapping[str, float] = {}
            try:
                record = read_json(folder / "run.json")
                fault = _find_fault(record, folder, config)
                speed = {key: float(record[key]) for key in SPEED}
            except (AsgdError, KeyError, TypeError, ValueError) as error:
                fault = str(error) if isinstance(error, AsgdError) else f"run.json: incomplete ({error})"
            self._read[folder.name] = written, fault, speed
        return self._read[folder.name][1:]


@dataclass(frozen=True)
class _Part:
    """The log of a run, or the part of its batch's log that is about it."""

    log: Path
    part: str | None = None  #: None: the whole log

    @cached_property
    def text(self) -> str:
        return _read_log(self.log) if self.part is None else self.part

    def find_state(self, now: float) -> State:
        if not self.log.exists() or (self.part is not None and not self.text):
            return State.WAITING
        if _ENDED.search(self.text) and self.part is not None:
            return State.DONE  # its checkpoint has it until the batch is written
        if find_error(self.text):
            return State.FAILED
        return State.RUNNING if now - self.log.stat().st_mtime < _SILENT else State.WAITING


def _find_fault(record: Mapping[str, Any], folder: Path, config: RunConfig) -> str:
    """Why the files of a finished run are not its own; empty if they are. `asgd verify` looks closer."""
    if record["run"] != folder.name:
        return f"run.json: this is another run, {record['run']}"
    settings = {**RunConfig.later_keys(), **record["config"], "engine": record["engine"]["name"]}
    planned = {**config.model_dump(), "engine": config.resolved_engine()[0]}
    if different := [key for key, value in planned.items() if settings.get(key) != value]:
        return f"run.json: {different[0]} = {settings.get(different[0])!r}, but the run has {planned[different[0]]!r}"
    if hashlib.sha256((folder / "metrics.csv").read_bytes()).hexdigest() != record["metrics_sha256"]:
        return "metrics.csv: truncated or edited (its SHA-256 differs from that in run.json)"
    return ""


def _read_log(log: Path) -> str:
    """The text of a log; empty if there is none."""
    with suppress(FileNotFoundError):
        return log.read_text(encoding="utf-8", errors="replace")
    return ""


def _cut_log(text: str) -> Iterator[tuple[str, str]]:
    """The log of a batch, cut: the label of each run and the lines about it."""
    pieces = re.split(rf"^(\S+){BEGINS}$\n?", text, flags=re.MULTILINE)[1:]
    return zip(pieces[::2], pieces[1::2], strict=True)


def _read_step(text: str) -> int:
    """The last step that a log tells of."""
    steps = re.findall(r"\bstep ([\d,]+)", text)
    return int(steps[-1].replace(",", "")) if steps else 0


def describe(status: Status) -> str:
    """The counts and the time left, in one line."""
    counts = Counter(status.states.values())
    done = f"{counts[State.DONE]:,} of {len(status.states):,} runs done"
    rest = [f"{counts[state]:,} {state}" for state in State if state is not State.DONE]
    return "; ".join([", ".join([done, *rest]), *([left] if (left := describe_rest(status)) else [])])


def describe_rest(status: Status) -> str:
    """The time left, as far as it is known: empty where nothing is."""
    if not status.remaining.seconds:
        return ""
    seconds = status.seconds_left
    known = approximate(status.remaining.seconds if seconds is None else seconds)
    shown = known.replace("about", "more than") if status.remaining.unknown else known
    return f"{shown} left" if seconds is not None else f"{shown} of work left for one process"


def show_status(status: Status, experiments: Mapping[str, Sequence[str]]) -> RenderableType:
    """A bar, the counts with the time left, a table of experiments, and the runs that are running or failed.

    ``experiments``: the names of the runs of each, by experiment.
    """
    table = make_table("experiment", *State, numbers=tuple(State))
    for name, runs in experiments.items():
        counts = Counter(status.states[run] for run in runs)
        table.add_row(name, *(f"{counts[state]:,}" if counts[state] else "-" for state in State))
    bar = Table.grid()
    bar.add_row(ProgressBar(total=len(status.states), completed=status.count(State.DONE), width=_BAR))
    running = [f"{name}{_say_step(status.begun[name])}" for name, one in status.states.items() if one is State.RUNNING]
    failed = [f"{place}: {why}" for place, why in status.failed.items()]
    lines = [Text(line) for line in describe(status).split("; ")]
    return Group(bar, *lines, "", table, *_list("running", running), *_list("failed", failed))


def _say_step(step: int) -> str:
    return f", step {step:,}" if step else ""


def _list(heading: str, lines: Sequence[str]) -> list[Text]:
    if not lines:
        return []
    more = [f"and {len(lines) - _MOST_LISTED:,} more"] if len(lines) > _MOST_LISTED else []
    return [Text(f"\n{heading}", style="bold"), *(Text(f"  {line}") for line in [*lines[:_MOST_LISTED], *more])]


def print_status(reader: StatusReader, experiments: Mapping[str, Sequence[str]], watch: bool = False) -> Status:
    """Print the state once, or go on until all runs are done, failed or left alone."""
    if not watch:
        status = reader.read(time.time())
        show(show_status(status, experiments))
        return status
    with Live(console=open_console()) as live:
        while True:
            status = reader.read(time.time())
            live.update(show_status(status, experiments))
            if status.count(State.DONE) + len(status.failed) == len(status.states):
                return status
            time.sleep(_REFRESH)


def report_progress(reader: StatusReader, say: Callable[[str], object], every: float = 60.0) -> None:
    """From here on, in a thread, ``say`` the state in a line whenever it has changed, until all runs are done.

    It looks every so many seconds, and ends with the process.
    """

    def watch() -> None:
        last = None
        while True:
            with suppress(OSError):  # a file that was deleted since it was found
                status = reader.read(time.time())
                if status.count(State.WAITING) + status.count(State.RUNNING) == 0:
                    return
                if status.states != last and status.count(State.RUNNING):
                    say(describe(status))
                    last = status.states
            time.sleep(every)

    Thread(target=watch, daemon=True).start()
