"""Does delay cost as much accuracy under every schedule? Final accuracy against m, at each learning rate."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from asgd.figures.curves import CHANCE_ACCURACY, legend_line, mark_chance
from asgd.figures.estimates import draw_estimates, label_workers, spread_places
from asgd.figures.plot import Plot
from asgd.figures.style import PAGE_WIDTH, category_style
from asgd.settings.parameters import label_schedule
from asgd.settings.subjects import Subject
from asgd.tables.arms import whole_config_of
from asgd.tables.experiments import select_experiment
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Does delay cost as much accuracy under every schedule, and at every learning rate?",
    tables=("runs",),
    about=Subject(varies=("learning_rate", "num_workers", "schedule"), may_vary=("schedule",)),
)

_WIDTH = 0.72  # of the space between two m


def draw(tables: Tables, experiment: str) -> Figure:
    """A panel for each learning rate: final test accuracy, the mean of each schedule and its runs, against m."""
    runs = select_experiment(tables["runs"], experiment).sort_index()  # schedules in the order of params.yaml
    runs = runs.assign(name=[label_schedule(whole_config_of(row).model_dump()) for row in runs.to_dict("records")])
    rates, names = sorted(runs["learning_rate"].unique()), list(dict.fromkeys(runs["name"]))
    figure = Figure(figsize=(PAGE_WIDTH, 2.4))
    panels = figure.subplots(1, len(rates), sharey=True, squeeze=False)[0]
    for axes, rate in zip(panels, rates, strict=True):
        _draw_rate(axes, runs[runs["learning_rate"] == rate], names, sorted(runs["num_workers"].unique()))
        axes.set_title(f"learning rate {rate:g}", pad=3)
    mark_chance(panels[0], CHANCE_ACCURACY, "chance", side=-1)
    for axes in panels[1:]:
        mark_chance(axes, CHANCE_ACCURACY, "", side=-1)
    panels[0].set_ylabel("final test accuracy")
    panels[0].set_ylim(bottom=0)
    panels[0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    handles = [legend_line(category_style(index), name) for index, name in enumerate(names)]
    title = "mean of the runs with its 95 % interval, and the runs (dots)"
    figure.legend(handles=handles, loc="outside upper center", ncols=3, title=title)
    return figure


def _draw_rate(axes: Axes, runs: pd.DataFrame, names: list[str], workers: list[int]) -> None:
    for index, (name, shift) in enumerate(zip(names, spread_places(len(names), _WIDTH), strict=True)):
        chosen = runs[runs["name"] == name]
        groups = [chosen.loc[chosen["num_workers"] == m, "final_test_accuracy"] for m in workers]
        places = [place + shift for place in range(len(workers))]
        draw_estimates(axes, places, groups, category_style(index), name)
    label_workers(axes, workers)
    for edge in range(1, len(workers)):
        axes.axvline(edge - 0.5, color="0.9", linewidth=0.5)
