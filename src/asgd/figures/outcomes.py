"""How the runs of every arm ended: a grid of arms for each experiment, each arm a bar of its seeds."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from asgd.figures.plot import Plot
from asgd.figures.style import PAGE_WIDTH
from asgd.settings.parameters import label_settings
from asgd.tables.experiments import MOST_ARMS, experiment_names, list_arms, naming_keys, varying_keys
from asgd.tables.samples import select_own_arms
from asgd.tables.table import Tables

PLOT = Plot(
    caption="How the seeds of each arm ended: trained, at a plateau, dead or non-finite.",
    tables=("runs", "arms"),
)


#: Arms by the labels of their row and of their column.
Grid = dict[tuple[str, str], list[dict[str, Any]]]

#: Face, hatch and text colour of each outcome; lightness and hatch differ, so that they survive greyscale.
OUTCOMES = {
    "trained": ("#7FC8A9", "", "black"),
    "plateau": ("#FBE9A3", "....", "black"),
    "dead": ("#222222", "", "white"),
    "non_finite": ("#D55E00", "////", "white"),
}
_ROW_HEIGHT, _HEAD_HEIGHT = 0.17, 0.42  # inches, of a row and of what stands around the rows of an experiment
_MOST_HEIGHT = 6.0  # inches, of a figure that shares a page with another


def draw(tables: Tables, experiment: str | None = None) -> Figure:
    """The number of seeds that trained, stayed at a plateau, died or overflowed, for every arm.

    A block for each experiment (or for ``experiment`` alone): its most varied key across, all other differences down.
    Of all experiments, those of very many arms are left out unless there are no others, and those that come last if a
    page has no room for them.
    """
    names = [experiment] if experiment else experiment_names(tables["arms"])
    blocks = {name: select_own_arms(tables, name) for name in names}
    if not experiment:
        blocks = {name: block for name, block in blocks.items() if len(block) <= MOST_ARMS} or blocks
    grids = _take_page({name: _arrange(block) for name, block in blocks.items()})
    rows = [_count_rows(grid) for grid in grids.values()]
    figure = Figure(figsize=(PAGE_WIDTH, _measure(grids.values())))
    panels = figure.subplots(len(grids), 1, squeeze=False, height_ratios=rows)
    for axes, (name, grid) in zip(panels[:, 0], grids.items(), strict=True):
        _draw_grid(axes, grid)
        axes.set_title(f"experiment {name}", loc="left", pad=3)
    handles = [
        Patch(facecolor=face, hatch=hatch, edgecolor="0.3", linewidth=0.4, label=outcome.replace("_", "-"))
        for outcome, (face, hatch, _) in OUTCOMES.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, title="number of seeds that ended as")
    return figure


def _take_page(grids: dict[str, Grid]) -> dict[str, Grid]:
    """The first of ``grids`` that fit a page; at least one."""
    taken: dict[str, Grid] = {}
    for name, grid in grids.items():
        if taken and _measure([*taken.values(), grid]) > _MOST_HEIGHT:
            break
        taken[name] = grid
    return taken


def _measure(grids: Iterable[Grid]) -> float:
    """The height of a figure, inches."""
    return 0.5 + sum(_ROW_HEIGHT * _count_rows(grid) + _HEAD_HEIGHT for grid in grids)


def _count_rows(grid: Grid) -> int:
    return len({row for row, _ in grid})


def _arrange(arms: pd.DataFrame) -> Grid:
    """Place the arms: (row label, column label) of each, in the order of their keys."""
    varying = varying_keys(arms) or ["num_workers"]
    across = max(varying, key=lambda key: arms[key].nunique())
    down = naming_keys(arms, without=across)
    grid: Grid = {}
    for arm in list_arms(arms):
        grid.setdefault((label_settings(arm, down), label_settings(arm, [across])), []).append(arm)
    rows, columns = ({place[side] for place in grid} for side in (0, 1))
    lone = 1 < len(grid) == len(rows) == len(columns)  # in its row and in its column each arm
    if len(rows) * len(columns) <= 2 * len(grid) and not lone:
        return grid
    # Mostly empty: settings that go together are a list, and no grid.
    keys = naming_keys(arms)
    return {(label_settings(arm, keys), ""): [arm] for arm in list_arms(arms)}


def _draw_grid(axes: Axes, grid: Grid) -> None:
    rows = list(dict.fromkeys(row for row, _ in grid))
    columns = list(dict.fromkeys(column for _, column in grid))
    for (row, column), arms in grid.items():
        for arm in arms:
            _draw_bar(axes, arm, columns.index(column), rows.index(row))
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks([index + 0.46 for index in range(len(columns))], columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_bar(axes: Axes, arm: dict[str, Any], column: int, row: int) -> None:
    """A bar of unit width for all seeds of an arm, cut by outcome, the counts written in it."""
    left, width = float(column), 0.92 / max(1, arm["n_runs"])
    for outcome, (face, hatch, ink) in OUTCOMES.items():
        count = int(arm[outcome])
        if not count:
            continue
        axes.barh(row, count * width, 0.78, left, color=face, hatch=hatch, edgecolor="0.3", linewidth=0.4)
        number = axes.text(left + count * width / 2, row, str(count), color=ink, fontsize=7)
        number.set(ha="center", va="center_baseline")
        if hatch:  # a plain patch behind the number, to keep it readable
            number.set_bbox({"facecolor": face, "edgecolor": "none", "pad": 0.6})
        left += count * width
