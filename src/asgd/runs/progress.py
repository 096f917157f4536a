"""What a person sees of runs in progress: a bar in a terminal, a line for each evaluation in a log."""

import math
import sys
from importlib.util import find_spec
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from asgd.runs.train import Watcher
from asgd.simulator.simulate import Row
from asgd.terminal import approximate, open_console


class _TimeLeft(ProgressColumn):
    """How long the rest takes; nothing as long as that is not known."""

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        return Text("" if task.finished or left is None else f"{approximate(left)} left", no_wrap=True)


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s", no_wrap=True)


def open_bar(console: Console, is_shown: bool, *columns: str | ProgressColumn) -> Progress:
    """A bar that fills the line between the count and ``columns``, with the time left."""
    shown = [_text(column) if isinstance(column, str) else column for column in columns]
    count = _text("{task.completed:,.0f}/{task.total:,.0f} {task.description}")
    bar = BarColumn(bar_width=None, table_column=Column(ratio=1))
    return Progress(count, bar, *shown, _TimeLeft(), console=console, expand=True, disable=not is_shown)


def _text(template: str) -> TextColumn:
    return TextColumn(template, table_column=Column(no_wrap=True))


def can_show_bar(console: Console) -> bool:
    """Whether there is a terminal, or a notebook that can show a bar."""
    # In a notebook Rich draws by ipywidgets, and without it only warns.
    return console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)


class ProgressWatcher(Watcher):
    """A context manager that shows the ``total`` gradients of a run on standard error.

    ``lines``: whether a log, or a notebook that can show no bar, gets a line for each evaluation.
    """

    def __init__(self, total: int, lines: bool = True) -> None:
        console = open_console(sys.stderr)
        has_bar = can_show_bar(console)
        self._has_lines = lines and not has_bar
        result = "loss {task.fields[loss]:.3f}, accuracy {task.fields[accuracy]:.1%}"
        self._progress = open_bar(console, has_bar, _Speed(), result)
        self._task = self._progress.add_task("", total=total, loss=math.nan, accuracy=math.nan)

    def __enter__(self) -> "ProgressWatcher":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def on_gradients(self, num_gradients: int, loss: float) -> None:
        """Move the bar."""
        self._progress.update(self._task, advance=num_gradients, loss=loss)

    def on_row(self, row: Row) -> None:
        """Show the accuracy; in a log, write a line."""
        self._progress.update(self._task, accuracy=row.test_accuracy)
        if self._has_lines:
            print(
                f"step {row.step:,}: train loss {row.train_loss:.4f}, test loss {row.test_loss:.4f}, "
                f"test accuracy {row.test_accuracy:.2%}",
                file=sys.stderr,
            )

    def on_resume(self, row: Row) -> None:
        """Move the bar to where the run stopped; in a log, say so."""
        self._progress.update(self._task, completed=row.gradients, accuracy=row.test_accuracy)
        if self._has_lines:
            print(f"continues from its checkpoint at step {row.step:,}", file=sys.stderr)
