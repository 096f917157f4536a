"""The phase diagram: how runs end over learning rate and m, a panel for each kind of momentum."""

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from asgd.figures.outcomes import OUTCOMES
from asgd.figures.plot import Plot
from asgd.figures.style import PAGE_WIDTH
from asgd.simulator.outcome import TRAINED
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Which learning rates train at which m, for each kind of momentum, and where is the limit of stability?",
    tables=("map", "sharpness"),
)


_LINE = "#B2182B"
_NAMES = {"none": "no momentum", "pytorch": "PyTorch", "ema": "EMA"}
_DASHES: tuple[Literal["--", "-"], ...] = ("--", "-")


def name_variant(variant: str) -> str:
    """A kind of momentum in words: ``server PyTorch`` for ``server-pytorch``."""
    return " ".join(_NAMES.get(word, word) for word in variant.split("-"))


def draw(tables: Tables, experiment: str | None = None) -> Figure:
    """Mean final accuracy (shade and number) where most runs trained; else the most frequent outcome.

    The lines are the linear-stability limits, learning rate = threshold / lambda, for the lambda of m = 1 at the start
    and for its median over the later measurements.
    """
    table, limits = tables["map"], find_curvatures(tables["sharpness"])
    variants = list(dict.fromkeys(table["variant"]))
    figure = Figure(figsize=(PAGE_WIDTH, 2.7))
    panels = figure.subplots(1, len(variants), sharey=True, squeeze=False)[0]
    shade = Normalize(0.1, max(0.2, table["accuracy_mean"].max()))
    for axes, variant in zip(panels, variants, strict=True):
        rows = table[table["variant"] == variant]
        rates, workers = sorted(table["learning_rate"].unique()), sorted(table["num_workers"].unique())
        for row in rows.itertuples():
            draw_cell(axes, workers.index(row.num_workers), rates.index(row.learning_rate), row, shade)
        for curvature, dash in zip(limits.values(), _DASHES, strict=False):
            _draw_limit(axes, rows.drop_duplicates("num_workers").sort_values("num_workers"), rates, curvature, dash)
        finish_map(axes, name_variant(variant), rates, workers)
    panels[0].set_ylabel("learning rate")
    _add_legend(figure, limits)
    return figure


def find_curvatures(sharpness: pd.DataFrame) -> dict[str, float]:
    """Lambda of m = 1 at the start and later, by what it is called."""
    plain = sharpness[sharpness["num_workers"] == 1].dropna(subset="sharpness")
    start = float(plain.loc[plain["step"] == 0, "sharpness"].median())
    later = float(plain.loc[plain["step"] > 0, "sharpness"].median())
    found = {f"$\\lambda$ = {start:.2g}, at the start": start, f"$\\lambda$ = {later:.2g}, later on": later}
    return {label: value for label, value in found.items() if value > 0}  # a dead network has no limit


def draw_cell(
    axes: Axes, column: int, row: int, arm: object, shade: Normalize, colours: str = "Blues", shift: float = 0.0
) -> None:
    """A cell of the map; ``arm``: a row of its table. A corner is cut where the runs ended in different ways."""
    majority, mean = arm.majority, arm.accuracy_mean  # type: ignore[attr-defined]
    face, hatch, _ = OUTCOMES[majority]
    if majority == TRAINED:
        face = to_hex(colormaps[colours](0.08 + 0.62 * shade(mean)))
        number = axes.text(
            column + shift, row, f"{100 * mean:.0f}", ha="center", va="center_baseline", fontsize=7, zorder=6
        )
        number.set_path_effects([withStroke(linewidth=3.0, foreground=face)])  # a limit may run behind it
    corner = (column - 0.5, row - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=face, hatch=hatch, edgecolor="0.35", linewidth=0.3))
    if getattr(arm, majority) < 1:
        corners = [(column + 0.5, row + 0.5), (column + 0.1, row + 0.5), (column + 0.5, row + 0.1)]
        axes.fill(*zip(*corners, strict=True), facecolor="white", edgecolor="0.2", linewidth=0.5, gid="mixed")


def _draw_limit(
    axes: Axes, columns: pd.DataFrame, rates: list[float], curvature: float, dash: Literal["--", "-"]
) -> None:
    """A level for each m, joined to stairs; it leaves the panel where the limit lies outside the map."""
    levels = place_rates(columns["threshold"].to_numpy() / curvature, rates)
    x = np.arange(len(levels) + 1) - 0.5
    (line,) = axes.step(x, [*levels, levels[-1]], where="post", color=_LINE, linestyle=dash, linewidth=1.3, gid="limit")
    line.set_path_effects([withStroke(linewidth=3.0, foreground="white")])


def place_rates(values: NDArray[np.float64], rates: list[float]) -> NDArray[np.float64]:
    """Where ``values`` lie on the axis of the equally spaced ``rates``: between two of them by the logarithm."""
    found = np.interp(np.log(values), np.log(rates), np.arange(len(rates)))
    return np.where(values < rates[0], -0.75, np.where(values > rates[-1], len(rates) - 0.25, found))


def finish_map(axes: Axes, title: str, rates: list[float], workers: list[int]) -> None:
    """The title and the axes of a map."""
    axes.set_title(title, pad=3)
    axes.set_xlim(-0.5, len(workers) - 0.5)
    axes.set_ylim(-0.5, len(rates) - 0.5)
    axes.set_xticks(range(len(workers)), [str(m) for m in workers])
    axes.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    axes.set_xlabel("m")
    axes.tick_params(length=0)
    axes.grid(False)


def list_cells(colours: str = "Blues", level: float = 0.5) -> list[Patch | Line2D]:
    """Legend handles of what a cell may be."""
    handles: list[Patch | Line2D] = [
        Patch(facecolor=to_hex(colormaps[colours](level)), edgecolor="0.35", label="trained: mean test accuracy, %")
    ]
    for outcome, (face, hatch, _) in OUTCOMES.items():
        if outcome != TRAINED:
            label = outcome.replace("_", "-")
            handles.append(Patch(facecolor=face, hatch=hatch, edgecolor="0.35", linewidth=0.4, label=label))
    handles.append(Line2D([], [], marker="^", color="white", markeredgecolor="0.2", linewidth=0, label="runs differ"))
    return handles


def _add_legend(figure: Figure, limits: dict[str, float]) -> None:
    handles = list_cells()
    for label, dash in zip(limits, _DASHES, strict=False):
        handles.append(Line2D([], [], color=_LINE, linestyle=dash, linewidth=1.3, label=f"stability limit, {label}"))
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
