"""The second edition's reconciliation: over rates, kinds of momentum and lengths of training, where the claims hold."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from asgd.figures.plot import Plot
from asgd.figures.style import PAGE_WIDTH
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Which settings that the paper leaves open would make it right: its claims over learning rates, kind of "
    "momentum and length of training.",
    tables=("reconciliation",),
)

#: Claims that a rate without momentum decides, from above: what they are called here, and their column.
_ALONE = {"C2": "C2_holds", "C3: not trained": "C3_not_trained_holds", "C3: dead": "C3_dead_holds"}
#: Of C4 and C5, which hold: face, ink and text of a cell. Lightness alone tells them apart.
_STATES = {
    (True, True): ("#08519C", "white", "45"),
    (False, True): ("#6BAED6", "black", "5"),
    (True, False): ("#C6DBEF", "black", "4"),
    (False, False): ("white", "black", ""),
}
_HOLDS = "#4D4D4D"
_SIZE = 0.9  # of a cell
_ROW = 0.145  # inches
_LEAST = 2.5  # columns of a panel, for its title


def draw(tables: Tables, experiment: str | None = None) -> Figure:
    """A column of panels for each length; the rate without momentum runs across. PyTorch's convention stands at the
    rate at which the average takes its steps.

    Above, whether C2 and C3 hold, which that rate decides alone; below, C4 and C5 over the rate and the keeper of
    momentum. A frame marks the settings where all four hold, a dot in it those where C3 holds as "dead" too.
    """
    table = tables["reconciliation"].assign(keeper=lambda rows: rows["variant"].str.split("-").str[0])
    across = _list_rates(table, "epochs", "rate_none")
    upwards = _list_rates(table, "keeper", "rate_average")
    heights = [len(_ALONE), *map(len, upwards.values())]
    widths = [max(_LEAST, len(rates)) for rates in across.values()]
    figure = Figure(figsize=(PAGE_WIDTH, 1.7 + _ROW * sum(heights)))
    panels = figure.subplots(
        len(heights),
        len(widths),
        sharex="col",
        sharey="row",
        squeeze=False,
        height_ratios=heights,
        width_ratios=widths,
    )
    for (alone, *pairs), (epochs, rates) in zip(panels.T, across.items(), strict=True):
        chosen = table[table["epochs"] == epochs]
        _draw_alone(alone, chosen.drop_duplicates("rate_none"), rates)
        alone.set_title(f"{epochs:g} epochs\nn = {chosen['n'].min()}", pad=3)
        for axes, (keeper, momentum) in zip(pairs, upwards.items(), strict=True):
            _draw_pairs(axes, chosen[chosen["keeper"] == keeper], rates, momentum)
        pairs[-1].set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates], rotation=90)
    for axes, (keeper, momentum) in zip(panels[1:, 0], upwards.items(), strict=True):
        axes.set_yticks(range(len(momentum)), [f"{rate:g}" for rate in momentum])
        axes.set_ylabel(f"rate with momentum\nof the {keeper}, averaged")
    panels[0, 0].set_yticks(range(len(_ALONE)), list(_ALONE)[::-1])
    figure.supxlabel("rate without momentum", fontsize="medium")
    title = "Which settings that the paper does not state would make it right?"
    figure.legend(handles=_list_handles(), loc="outside upper center", ncols=6, title=title)
    return figure


def _list_rates(table: pd.DataFrame, key: str, column: str) -> dict[Any, list[float]]:
    """The values of ``column``, ascending, for each of ``key``."""
    return {value: sorted(set(table.loc[table[key] == value, column])) for value in sorted(set(table[key]))}


def _draw_alone(axes: Axes, rows: pd.DataFrame, across: list[float]) -> None:
    for up, column in enumerate(reversed(_ALONE.values())):
        for row in rows.to_dict("records"):
            _draw_cell(axes, across.index(row["rate_none"]), up, _HOLDS if row[column] else "white")
    _finish(axes, len(across), len(_ALONE))


def _draw_pairs(axes: Axes, rows: pd.DataFrame, across: list[float], upwards: list[float]) -> None:
    for row in rows.to_dict("records"):
        place = across.index(row["rate_none"]), upwards.index(row["rate_average"])
        face, ink, text = _STATES[bool(row["C4_holds"]), bool(row["C5_holds"])]
        right, also_dead = (row["C2_holds"] and row[column] and text == "45" for column in list(_ALONE.values())[1:])
        _draw_cell(axes, *place, face, framed=right)
        if also_dead:
            axes.plot(*place, marker="o", markersize=3, color=ink, gid="dead too")
        else:
            axes.text(*place, text, ha="center", va="center_baseline", fontsize=7, color=ink)
    _finish(axes, len(across), len(upwards))


def _draw_cell(axes: Axes, column: int, row: int, face: str, *, framed: bool = False) -> None:
    corner = (column - _SIZE / 2, row - _SIZE / 2)
    box = Rectangle(corner, _SIZE, _SIZE, facecolor=face, edgecolor="0.7", linewidth=0.3)
    if framed:
        box.set(edgecolor="black", linewidth=1.8, zorder=3, gid="all hold")
    axes.add_patch(box)


def _finish(axes: Axes, columns: int, rows: int) -> None:
    middle = (columns - 1) / 2
    axes.set_xlim(middle - max(_LEAST, columns) / 2 - 0.1, middle + max(_LEAST, columns) / 2 + 0.1)
    axes.set_ylim(-0.6, rows - 0.4)
    axes.tick_params(length=0)
    axes.grid(False)


def _list_handles() -> list[Patch | Line2D]:
    words = {"45": "C4 and C5 hold", "5": "C5 holds", "4": "C4 holds"}
    handles: list[Patch | Line2D] = [Patch(facecolor=_HOLDS, edgecolor="0.5", linewidth=0.4, label="C2, C3 hold")]
    handles += [
        Patch(facecolor=face, edgecolor="0.5", linewidth=0.4, label=words[text])
        for face, _, text in _STATES.values()
        if text
    ]
    handles.append(Patch(facecolor="none", edgecolor="black", linewidth=1.8, label="all four hold"))
    handles.append(Line2D([], [], marker="o", markersize=3, linewidth=0, color="black", label='with C3 as "dead" too'))
    return handles
