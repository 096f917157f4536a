"""Which remedy against delay helps most? Every method's gain on plain SGD, ranked, for each m and schedule."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from asgd.figures.plot import Plot
from asgd.figures.style import CATEGORIES, PAGE_WIDTH
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Which remedy against delay helps most, on each schedule and at each m?",
    tables=("remedies",),
)

_ROW_HEIGHT = 0.12  # inches
_TICKS = (0, -1, 1, -10, 10, -100, 100)
_PLAIN = "plain SGD"
_BESIDE: dict[str, Any] = {"fontsize": 7, "va": "center_baseline", "ha": "left"}
_LINE: dict[str, Any] = {"color": CATEGORIES[1], "marker": "o", "markeredgewidth": 1.0}
_NOTHING: dict[str, Any] = {"color": "black", "marker": "D", "linestyle": ""}
#: Of the labels, which are long.
_SHORTER = {
    "discard, max staleness = ": "discard \N{GREATER-THAN OR EQUAL TO} ",
    ", computed to the end": "",
    "lambda_0": r"$\lambda_0$",
    "lambda =": r"$\lambda$ =",
}


def draw(tables: Tables, experiment: str | None = None) -> Figure:
    """A column for each schedule, a row for each m; the method that gains most is the uppermost.

    The axis is linear up to one point from zero, and logarithmic beyond: where plain SGD does not train a method may
    gain fifty points, and one of a large strength may lose them.
    """
    table = tables["remedies"]
    schedules, workers = list(dict.fromkeys(table["schedule"])), sorted(table["num_workers"].unique())
    rows = [1 + int(table[table["num_workers"] == m].groupby("schedule").size().max()) for m in workers]
    figure = Figure(figsize=(PAGE_WIDTH, 0.75 + sum(0.3 + _ROW_HEIGHT * number for number in rows)))
    panels = figure.subplots(len(workers), len(schedules), sharex=True, squeeze=False, height_ratios=rows)
    for line, m, number in zip(panels, workers, rows, strict=True):
        for axes, schedule in zip(line, schedules, strict=True):
            chosen = table[(table["num_workers"] == m) & (table["schedule"] == schedule)]
            if chosen.empty:
                axes.set_axis_off()
                continue
            _draw_ranking(axes, chosen, number)
            axes.set_title(f"{schedule}, m = {m:g}", pad=3)
    _set_scale(panels[0, 0], float(table[["difference", "low", "high"]].abs().max().max()))
    for column in panels.T:
        last = [axes for axes in column if axes.axison][-1]
        last.tick_params(labelbottom=True)
        last.set_xlabel("points gained on plain SGD")
    _add_legend(figure)
    return figure


def _draw_ranking(axes: Axes, table: pd.DataFrame, number: int) -> None:
    """``number`` rows, some of which may stay empty below: so rows of all panels in a line have one height."""
    methods = table.sort_values("rank").to_dict("records")
    place = int((table["difference"] > 0).sum())
    methods.insert(place, {"method": _PLAIN, "difference": 0.0, "accuracy": table["plain_accuracy"].mean()})
    for place, row in enumerate(methods):
        _draw_method(axes, place, row)
    axes.axvline(0, color="0.35", linewidth=0.8, zorder=1)
    axes.set_yticks(range(len(methods)), [_shorten(row["method"]) for row in methods])
    axes.set_ylim(number - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _draw_method(axes: Axes, place: int, row: dict[Any, Any]) -> None:
    axes.text(1.02, place, f"{100 * row['accuracy']:.1f} %", transform=axes.get_yaxis_transform(), **_BESIDE)
    if row["method"] == _PLAIN:
        axes.plot(0, place, gid=_PLAIN, zorder=3, **_NOTHING)
        return
    axes.plot([row["low"], row["high"]], [place, place], color=_LINE["color"])
    clear = row["low"] > 0 or row["high"] < 0
    style = _LINE if clear else {**_LINE, "markerfacecolor": "white"}
    axes.plot(row["difference"], place, gid=row["method"], zorder=3, **style)


def _shorten(method: str) -> str:
    for part, shorter in _SHORTER.items():
        method = method.replace(part, shorter)
    return method


def _set_scale(axes: Axes, largest: float) -> None:
    """The same scale in all panels, which share it."""
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.6)
    axes.set_xlim(-1.3 * max(largest, 1.0), 1.3 * max(largest, 1.0))
    axes.xaxis.set_major_locator(FixedLocator(_TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}" if value else "0"))


def _add_legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], label="gain or loss clear of zero", **_LINE),
        Line2D([], [], label="not clear of zero", markerfacecolor="white", **_LINE),
        Line2D([], [], label=f"{_PLAIN}, where it would rank", **_NOTHING),
    ]
    title = "paired by seed, with 95 % intervals, each method at its own learning rate; on the right its final accuracy"
    figure.legend(handles=handles, loc="outside upper center", ncols=3, title=title)
