"""Does delay cost more at larger batches, and do its solutions generalise worse? Against m, for each batch size."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asgd.figures.curves import legend_line
from asgd.figures.estimates import draw_estimates, label_workers, spread_places
from asgd.figures.plot import Plot
from asgd.figures.style import PAGE_WIDTH, ordered_styles
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Does delay cost more at larger batches, (a) in final accuracy and (b) in the train-test gap at the lowest "
    "training loss that a run and the run at m = 1 both reach?",
    tables=("batch_delay",),
)

_WIDTH = 0.5  # of the space between two m
_LABELS = {
    "lost": "(a) final accuracy lost (points)",
    "gap_change": "(b) change of gap (nats)",
}


def draw(tables: Tables, experiment: str | None = None) -> Figure:
    """Two panels against m, a line for each batch size; the second only where training losses were measured."""
    table = tables["batch_delay"]
    delayed = table[table["num_workers"] > 1]
    metrics = [metric for metric in _LABELS if delayed[metric].notna().any()]
    figure = Figure(figsize=(PAGE_WIDTH, 2.4))
    panels = figure.subplots(1, max(1, len(metrics)), squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=False):
        _draw_metric(axes, delayed, metric)
    styles = ordered_styles(list(table["batch_size"]))
    handles = [legend_line(style, f"batch {size:g}") for size, style in styles.items()]
    title = "against m = 1 with the same batch and seed: mean with its 95 % interval, and the seeds (dots)"
    figure.legend(handles=handles, loc="outside upper center", ncols=5, title=title)
    return figure


def _draw_metric(axes: Axes, table: pd.DataFrame, metric: str) -> None:
    workers, styles = sorted(table["num_workers"].unique()), ordered_styles(list(table["batch_size"]))
    for (size, style), shift in zip(styles.items(), spread_places(len(styles), _WIDTH), strict=True):
        chosen = table[table["batch_size"] == size]
        groups = [chosen.loc[chosen["num_workers"] == m, metric].dropna() for m in workers]
        draw_estimates(axes, [place + shift for place in range(len(workers))], groups, style, f"batch {size:g}")
    axes.axhline(0, color="0.35", linewidth=0.8, zorder=1)
    label_workers(axes, workers)
    axes.set_ylabel(_LABELS[metric])
