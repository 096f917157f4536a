"""One run dying: what happens around it, beside the same run without the ReLU on its logits."""

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter

from asgd.figures.curves import CHANCE_LOSS
from asgd.figures.plot import Plot
from asgd.figures.style import PAGE_WIDTH
from asgd.tables.table import Tables

PLOT = Plot(
    caption="A run that dies, followed closely, and the same run without the ReLU on its logits.",
    tables=("death",),
)


_DYING, _CONTROL = (
    {"color": "black", "linewidth": 1.1},
    {"color": "#D55E00", "linewidth": 0.8, "linestyle": (0, (3, 1))},
)
_AFTER = "0.86"  # the time of exactly zero gradients

#: Column, name and scale of each panel of curves, and the level that it marks.
_PANELS: tuple[tuple[str, str, Literal["linear", "log"], float | None], ...] = (
    ("test_loss", "(a) test loss (dotted: ln 10)", "linear", CHANCE_LOSS),
    ("zero_logit_share", "(b) share of images with all logits 0", "linear", None),
    ("gradient_norm", "(c) norm of the gradient", "log", None),
    ("staleness_displacement", r"(d) $\|W_t - W_{t-\tau}\|$", "log", None),
    ("stability", r"(e) rate $\times$ sharpness / limit", "log", 1.0),
)
_HIGHEST_LOSS = 5.0
_LOWEST = 1e-3  #: of what the logarithmic panels show


def draw(tables: Tables, experiment: str | None = None) -> Figure:
    """Loss, dead images, gradient, staleness and stability of a run that dies, and which of its logits live.

    The shaded time is that of exactly zero gradients, to the end.
    """
    table = tables["death"]
    dying, control = table[table["output_relu"]], table[~table["output_relu"]]
    death = _find_death(dying)
    figure = Figure(figsize=(PAGE_WIDTH, 3.4))
    panels = figure.subplots(2, 3, sharex=True)
    for axes, (column, name, scale, level) in zip(panels.flat, _PANELS, strict=False):
        for run, style in ((control, _CONTROL), (dying, _DYING)):
            points = run.dropna(subset=column)
            values = points[column].where(points[column] > 0) if scale == "log" else points[column]
            axes.plot(points["step"], values, **style)
        axes.set_yscale(scale)
        if scale == "log":
            axes.set_ylim(bottom=max(_LOWEST, axes.get_ylim()[0]))
        if level is not None:
            axes.axhline(level, color="0.35", linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
        axes.set_title(name, loc="left", pad=3)
    _cut_loss(panels[0, 0])
    _draw_logits(panels[1, 2], dying)
    for axes in panels.flat:
        if death is not None:
            axes.axvspan(death, float(dying["step"].max()), color=_AFTER, linewidth=0, zorder=0)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_xlim(0, float(table["step"].max()))
    for axes in panels[1]:
        axes.set_xlabel("server steps")
    _add_legend(figure, dying, death)
    return figure


def _find_death(dying: pd.DataFrame) -> float | None:
    """The first probe since which all gradients were zero."""
    alive = dying.loc[dying["zero_gradient_share"] != 1, "step"]
    after = dying.loc[dying["step"] > alive.max(), "step"]
    return None if after.empty else float(after.min())


def _cut_loss(axes: Axes) -> None:
    if axes.dataLim.ymax > _HIGHEST_LOSS:
        axes.set_ylim(top=_HIGHEST_LOSS)
        axes.set_ylim(bottom=max(0.0, axes.dataLim.ymin - 0.1))
        axes.text(0.99, 0.99, "cut off above", transform=axes.transAxes, ha="right", va="top", fontsize=7)


def _draw_logits(axes: Axes, dying: pd.DataFrame) -> None:
    """A row for each class: dark while its logit is positive for some image."""
    names = [f"logit_{label}" for label in range(10)]
    alive = (dying[names].to_numpy() > 0).T.astype(float)
    steps = dying["step"].to_numpy(dtype=float)
    edges = np.append(steps, 2 * steps[-1] - steps[-2] if len(steps) > 1 else steps[-1] + 1)
    axes.pcolormesh(
        edges, np.arange(11) - 0.5, np.where(alive > 0, alive, np.nan), cmap="binary_r", vmin=-0.5, vmax=3.0
    )
    axes.set_yticks(range(10))
    axes.set_ylim(9.5, -0.5)
    axes.set_title("(f) classes with a positive logit", loc="left", pad=3)
    axes.grid(False)


def _add_legend(figure: Figure, dying: pd.DataFrame, death: float | None) -> None:
    first = dying.iloc[0]
    handles: list[Line2D | Patch] = [
        Line2D([], [], label="ReLU on logits", **_DYING),  # type: ignore[arg-type]
        Line2D([], [], label="the same without it", **_CONTROL),  # type: ignore[arg-type]
    ]
    if death is not None:
        handles.append(Patch(color=_AFTER, label="gradient exactly zero from here on"))
    about = f"m = {first['num_workers']:g}, learning rate {first['learning_rate']:g}, seed {first['seed']:g}"
    figure.legend(handles=handles, loc="outside upper center", ncols=3, title=about)
