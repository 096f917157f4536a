"""Figure 2: with and without momentum, a panel for each m."""

import math
from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from asgd.figures.curves import add_legend, describe_spread, draw_arm, finish_accuracy, finish_loss, legend_line
from asgd.figures.plot import Plot
from asgd.figures.style import PAGE_WIDTH, category_style
from asgd.settings.parameters import label_settings
from asgd.settings.subjects import Subject
from asgd.tables.experiments import list_arms, naming_keys, select_experiment
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Figure 2 of the paper: training with and without momentum, a panel for each m.",
    tables=("runs", "arms", "curves", "evaluations"),
    about=Subject(varies=("momentum",), may_vary=("num_workers",)),
)


_MOST_COLUMNS = 4
_TALLEST = 7.8  # inches; with its caption it fits a page


def draw(tables: Tables, experiment: str) -> Figure:
    """Figure 2: (a) training loss, then (b) test accuracy; a panel for each m, a curve for each kind of momentum.

    Whatever else differs between its arms (b, learning rate, ...) is part of the kind.
    """
    arms = select_experiment(tables["arms"], experiment)
    kinds = naming_keys(arms, without="num_workers")
    labels = dict.fromkeys(label_settings(arm, kinds) for arm in list_arms(arms))
    styles = {label: category_style(index) for index, label in enumerate(labels)}
    workers = sorted(arms["num_workers"].unique())
    figure, losses, accuracies = _make_panels(len(workers))
    for m, loss, accuracy in zip(workers, losses, accuracies, strict=True):
        for arm in list_arms(arms[arms["num_workers"] == m]):
            style = styles[label_settings(arm, kinds)]
            draw_arm(loss, tables, arm, "train_loss", style, "step")
            draw_arm(accuracy, tables, arm, "test_accuracy", style, "step")
    _finish(workers, losses, "(a) training loss", finish_loss)
    _finish(workers, accuracies, "(b) test accuracy", finish_accuracy)
    handles = [legend_line(style, label) for label, style in styles.items()]
    add_legend(figure, handles, describe_spread(tables, arms))
    return figure


def _make_panels(number: int) -> tuple[Figure, list[Axes], list[Axes]]:
    """A block of ``number`` panels for the loss above one for the accuracy; scales are shared within a block."""
    rows = math.ceil(number / _MOST_COLUMNS)
    columns = math.ceil(number / rows)
    figure = Figure(figsize=(PAGE_WIDTH, min(0.9 + 1.85 * rows, _TALLEST)))
    grid = figure.add_gridspec(2 * rows, columns)
    blocks: list[list[Axes]] = [[], []]
    for block, top in zip(blocks, (0, rows), strict=True):
        for index in range(number):
            cell = grid[top + index // columns, index % columns]
            same_x = blocks[0][0] if blocks[0] else None
            block.append(figure.add_subplot(cell, sharex=same_x, sharey=block[0] if block else None))
            if index + columns >= number:  # nothing below it in its block
                block[-1].set_xlabel("server steps")
    return figure, blocks[0], blocks[1]


def _finish(workers: list[int], block: list[Axes], name: str, finish: Callable[[Axes], None]) -> None:
    for m, axes in zip(workers, block, strict=True):
        axes.set_title(f"m = {m}", pad=3)
        finish(axes)
        left = axes.get_subplotspec().is_first_col()  # type: ignore[union-attr]
        axes.set_ylabel(name if left else "")
        axes.tick_params(labelleft=left)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
