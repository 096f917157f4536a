"""Runs as dots beside their mean and its interval: what several figures share."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from asgd.figures.style import ArmStyle
from asgd.tables.statistics import describe


def draw_estimates(
    axes: Axes, places: Sequence[float], groups: Sequence[ArrayLike], style: ArmStyle, name: str, dots: bool = True
) -> None:
    """A line through the means of ``groups``, each [runs], at ``places``, with 95 % intervals; the runs as ``dots``.

    A group without values leaves a gap. ``name`` is the line's, for who looks for it.
    """
    found = [describe(np.asarray(group, dtype=float)) for group in groups]
    means = [float(one.mean) for one in found]
    errors = [[float(one.mean - one.low) for one in found], [float(one.high - one.mean) for one in found]]
    line: Any = {"color": style.colour, "marker": style.marker, "linestyle": style.dash, "markeredgecolor": "white"}
    drawn = axes.errorbar(places, means, errors, elinewidth=0.9, capsize=1.5, linewidth=0.8, zorder=3, **line)
    drawn.lines[0].set_gid(name)
    if dots:
        for place, group in zip(places, groups, strict=True):
            axes.plot(
                np.full(np.shape(group), place), group, ".", color=style.colour, markersize=2.2, alpha=0.5, linewidth=0
            )


def spread_places(number: int, width: float) -> list[float]:
    """Where ``number`` things stand side by side around 0, over ``width``."""
    return [width * ((index + 0.5) / number - 0.5) for index in range(number)]


def label_workers(axes: Axes, workers: Sequence[float]) -> None:
    """An axis with ``workers``, numbers of them, at places 0, 1, ..."""
    axes.set_xticks(range(len(workers)), [f"{m:g}" for m in workers])
    axes.set_xlim(-0.5, len(workers) - 0.5)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("number of workers m")
