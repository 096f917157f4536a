"""Curves against compute: what the figures of the paper share."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, PercentFormatter
from numpy.typing import ArrayLike

from asgd.figures.style import DASHES, PAGE_WIDTH, ArmStyle, ordered_styles
from asgd.settings.parameters import label_settings
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.tables.experiments import find_places, list_arms, naming_keys, select_curve, select_runs
from asgd.tables.table import Tables

CHANCE_LOSS = math.log(NUM_CLASSES)
CHANCE_ACCURACY = 1 / NUM_CLASSES

#: From this many runs on, an interval of the mean says more than the runs themselves.
FEWEST_FOR_BAND = 3
_HIGHEST_LOSS = 3.0
_GREY = "0.35"
_LINE_WIDTH, _LETTER_WIDTH = 0.5, 0.06  # inches in a legend, generously


def draw_arm(axes: Axes, tables: Tables, arm: Mapping[str, Any], metric: str, style: ArmStyle, axis: str) -> None:
    """An arm's mean and, from three runs on, its 95 % interval; with fewer runs, the runs themselves as thin lines.

    ``axis``: `step`, `gradients` or `time`.
    """
    curve = select_curve(tables["curves"], arm["arm"], metric)
    x = find_places(curve, arm, axis)
    every = max(1, len(curve) // 6)
    axes.plot(
        x,
        curve["mean"],
        color=style.colour,
        linestyle=style.dash,
        marker=style.marker,
        markevery=every,
        markeredgecolor="white",
        gid=arm["arm"],
    )
    if curve["n"].max() >= FEWEST_FOR_BAND:
        axes.fill_between(x, curve["ci_low"], curve["ci_high"], color=style.colour, alpha=0.18, linewidth=0)
        return
    for run in select_runs(tables["evaluations"], arm["arm"], metric):
        axes.plot(find_places(run, arm, axis), run[metric], color=style.colour, linewidth=0.5, alpha=0.6)


def mark_chance(axes: Axes, level: float, text: str, side: int) -> None:
    """A thin line at what a network that knows nothing reaches; its name above (``side`` 1) or below it (-1)."""
    axes.axhline(level, color=_GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=1)
    axes.annotate(
        text,
        (1, level),
        xycoords=("axes fraction", "data"),
        xytext=(0, 1.5 * side),
        textcoords="offset points",
        ha="right",
        va="bottom" if side > 0 else "top",
        fontsize=7,
        color=_GREY,
    )


def finish_loss(axes: Axes) -> None:
    """Mark ln 10 and keep the readable range: losses above it are cut off, and the panel says so."""
    mark_chance(axes, CHANCE_LOSS, "ln 10", side=1)
    low, high = axes.get_ylim()
    low = min(max(0.0, low), CHANCE_LOSS - 0.1)
    axes.set_ylim(low, min(_HIGHEST_LOSS, max(high, CHANCE_LOSS + 0.15 * (CHANCE_LOSS - low))))
    if axes.dataLim.ymax > _HIGHEST_LOSS:
        axes.text(0.5, 0.99, "cut off above", transform=axes.transAxes, ha="center", va="top", fontsize=7, color=_GREY)


def finish_accuracy(axes: Axes) -> None:
    """Mark chance, and write per cent."""
    mark_chance(axes, CHANCE_ACCURACY, "chance", side=1)
    high = min(1.0, axes.get_ylim()[1])
    axes.set_ylim(max(0.0, CHANCE_ACCURACY - 0.15 * high), high)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


def describe_spread(tables: Tables, arms: pd.DataFrame) -> list[Any]:
    """Legend handles that say what the bands and the thin lines are, and of how many runs."""
    counts = tables["curves"][tables["curves"]["arm"].isin(arms["arm"])].groupby("arm")["n"].max()
    handles: list[Any] = []
    many, few = counts[counts >= FEWEST_FOR_BAND], counts[counts < FEWEST_FOR_BAND]
    if len(many):
        handles.append(Patch(color=_GREY, alpha=0.3, linewidth=0, label=f"95 % interval of the mean, {_seeds(many)}"))
    if len(few):
        handles.append(Line2D([], [], color=_GREY, linewidth=0.5, label=f"thin: individual runs, {_seeds(few)}"))
    return handles


def _seeds(counts: "pd.Series[int]") -> str:
    low, high = int(counts.min()), int(counts.max())
    number = str(low) if low == high else f"{low} to {high}"
    return f"{number} seed{'s' if high > 1 else ''}"


def worker_styles(tables: Tables) -> dict[float, ArmStyle]:
    """A style for each m of the study, the same in all its figures."""
    return ordered_styles(list(tables["arms"]["num_workers"]))


def draw_pair(tables: Tables, arms: pd.DataFrame, key: str, styles: Mapping[float, ArmStyle], axis: str) -> Figure:
    """Loss beside accuracy, one curve an arm: colour and marker by ``key``, dashes by whatever else differs.

    ``axis``: `step`, `gradients` or `time`.
    """
    figure = Figure(figsize=(PAGE_WIDTH, 2.4))
    loss, accuracy = figure.subplots(1, 2, sharex=True)
    others = naming_keys(arms, without=key)
    variants: dict[str, Any] = {}
    handles: list[Any] = []
    for arm in list_arms(arms):
        dash = variants.setdefault(label_settings(arm, others), DASHES[len(variants) % len(DASHES)])
        style = ArmStyle(styles[arm[key]].colour, styles[arm[key]].marker, dash)
        draw_arm(loss, tables, arm, "train_loss", style, axis)
        draw_arm(accuracy, tables, arm, "test_accuracy", style, axis)
        handles.append(legend_line(style, label_settings(arm, [key, *others])))
    finish_loss(loss)
    finish_accuracy(accuracy)
    _name_panels(loss, accuracy)
    add_legend(figure, handles, describe_spread(tables, arms))
    return figure


def add_legend(figure: Figure, handles: list[Any], spread: list[Any]) -> None:
    """One legend above the panels, in as few rows as fit the page."""
    entries = [*handles, *spread]
    needed = sum(_LINE_WIDTH + _LETTER_WIDTH * len(entry.get_label()) for entry in entries)
    rows = math.ceil(needed / PAGE_WIDTH)
    figure.legend(handles=entries, loc="outside upper center", ncols=math.ceil(len(entries) / rows))


def legend_line(style: ArmStyle, label: str) -> Line2D:
    """What stands for an arm's curve in the legend."""
    return Line2D(
        [], [], color=style.colour, marker=style.marker, linestyle=style.dash, markeredgecolor="white", label=label
    )


def _name_panels(loss: Axes, accuracy: Axes) -> None:
    loss.set_ylabel("(a) training loss")
    accuracy.set_ylabel("(b) test accuracy")


def label_steps(figure: Figure, tables: Tables, arms: pd.DataFrame) -> None:
    """Server steps below; epochs above, where all arms have equally long ones."""
    curves = tables["curves"][tables["curves"]["arm"].isin(arms["arm"]) & (tables["curves"]["epoch"] > 0)]
    per_epoch = curves["step"] / curves["epoch"]
    for axes in figure.axes:
        axes.set_xlabel("total compute (server steps)")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        if per_epoch.max() - per_epoch.min() < 0.01 * per_epoch.max():
            _add_epochs(axes, float(per_epoch.median()))


def _add_epochs(axes: Axes, steps_per_epoch: float) -> None:
    def to_epochs(steps: ArrayLike) -> ArrayLike:
        return np.asarray(steps) / steps_per_epoch

    def to_steps(epochs: ArrayLike) -> ArrayLike:
        return np.asarray(epochs) * steps_per_epoch

    axes.secondary_xaxis("top", functions=(to_epochs, to_steps)).set_xlabel("epochs")
