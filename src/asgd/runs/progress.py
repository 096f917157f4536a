"""What a person sees of a run in progress: a bar in a terminal, a line for each evaluation in a log."""

import math
import sys
from importlib.util import find_spec
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from asgd.runs.train import Watcher
from asgd.simulator.simulate import Row


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f} gradients/s")


class ProgressWatcher(Watcher):
    """A context manager that shows the ``total`` gradients of a run on standard error.

    ``lines``: whether a log, or a notebook that can show no bar, gets a line for each evaluation.
    """

    def __init__(self, total: int, lines: bool = True) -> None:
        self._console = Console(file=sys.stderr)
        # In a notebook Rich draws by ipywidgets, and without it only warns.
        has_bar = self._console.is_terminal or (self._console.is_jupyter and find_spec("ipywidgets") is not None)
        self._has_lines = lines and not has_bar
        self._progress = Progress(
            TextColumn("gradient {task.completed:,.0f}/{task.total:,.0f}"),
            BarColumn(),
            _Speed(),
            TextColumn("loss {task.fields[loss]:.4f}, test accuracy {task.fields[accuracy]:.2%}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not has_bar,
        )
        self._task = self._progress.add_task("train", total=total, loss=math.nan, accuracy=math.nan)

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
            print(f"goes on from its checkpoint at step {row.step:,}", file=sys.stderr)
