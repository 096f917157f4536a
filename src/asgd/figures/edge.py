"""Does full-batch descent settle at the limit that linear theory has for its delay? The sharpness along it."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, MaxNLocator

from asgd.claims.second.e5_edge import settle
from asgd.figures.plot import Plot
from asgd.figures.style import CATEGORIES, PAGE_WIDTH
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Does full-batch descent settle where linear theory puts the limit of its delay?",
    tables=("edge",),
)

_HIGHEST = 2.5  # of what is shown
_SHADE = "0.93"


def draw(tables: Tables, experiment: str | None = None) -> Figure:
    """A panel for each m: the sharpness over its limit, of every run and their median, against the steps with delay.

    The median of the later half, which is shaded, stands in the panel.
    """
    table = tables["edge"]
    workers = sorted(table["num_workers"].unique())
    figure = Figure(figsize=(PAGE_WIDTH, 2.3))
    panels = figure.subplots(1, len(workers), sharey=True, squeeze=False)[0]
    highest = table["stability"].max()
    for axes, m in zip(panels, workers, strict=True):
        _draw_runs(axes, table[table["num_workers"] == m])
        axes.set_title(f"m = {m:g}", pad=3)
        axes.set_xlabel("server steps")
    panels[0].set_ylim(0, min(_HIGHEST, 1.1 * max(1.0, highest)))
    panels[0].set_ylabel(r"sharpness $\lambda$ / limit")
    handles = [
        Line2D([], [], color=CATEGORIES[1], marker="o", markeredgecolor="white", label="median of the runs"),
        Line2D([], [], color="0.45", linewidth=0.6, label="runs"),
        Line2D([], [], color="black", linestyle=(0, (4, 1.5)), label="limit"),
        Patch(color=_SHADE, label="later half; its median is written"),
    ]
    cut = f"what lies above {_HIGHEST:g} is cut off" if highest > _HIGHEST else None
    figure.legend(handles=handles, loc="outside upper center", ncols=4, title=cut)
    return figure


def _draw_runs(axes: Axes, table: pd.DataFrame) -> None:
    first, last = table["step"].min(), table["step"].max()
    axes.axvspan((first + last) / 2, last, color=_SHADE, linewidth=0, zorder=0)
    for _, run in table.groupby("seed"):
        axes.plot(run["step"], run["stability"], color="0.45", linewidth=0.6, gid="run")
    middle = table.groupby("step")["stability"].median()
    axes.plot(
        middle.index,
        middle,
        color=CATEGORIES[1],
        marker="o",
        markeredgecolor="white",
        markevery=max(1, len(middle) // 6),
        gid="median",
    )
    axes.axhline(1, color="black", linestyle=(0, (4, 1.5)), linewidth=1.0, zorder=4)
    late = settle(table)
    overflowed = int(table.loc[table["sharpness"].isna(), "seed"].nunique())
    text = f"{late.median():.2f}" + (f"\n{overflowed} overflowed" if overflowed else "")
    axes.text(0.97, 0.03, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=7)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_major_locator(MaxNLocator(3))
