"""The first edition's reconciliation: over all pairs of settings, which of C2, C3, C4 and C5 hold together."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from asgd.analyses.pairs import PAIR_CLAIMS
from asgd.figures.phase_map import name_variant
from asgd.figures.plot import Plot
from asgd.figures.style import PAGE_WIDTH
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Which of the paper's claims hold, for every combination of settings that it leaves open.",
    tables=("map_pairs",),
)


#: Face and ink of a claim in a cell: lightness alone tells the three apart.
_STATES = {
    "reproduced": ("#08519C", "white", "reproduced by the rule"),
    "holds": ("#9ECAE1", "black", "holds by the estimate, rule undecided"),
    "neither": ("white", "0.6", "does not hold"),
}
#: Where each claim stands in a cell: columns, then rows from above.
_PLACES = dict(zip(PAIR_CLAIMS, ((0, 1), (1, 1), (0, 0), (1, 0)), strict=True))
_HALF = 0.45


def draw(tables: Tables, experiment: str | None = None) -> Figure:
    """A grid for each kind of momentum: rate without momentum across, rate with it upwards; four claims in each cell.

    A heavy frame marks the cells where all four hold; a grey one those where three do.
    """
    pairs = tables["map_pairs"]
    variants = list(dict.fromkeys(pairs["variant"]))
    across, upwards = sorted(pairs["rate_none"].unique()), sorted(pairs["rate_momentum"].unique())
    figure = Figure(figsize=(PAGE_WIDTH, 2.9))
    panels = figure.subplots(1, len(variants), sharey=True, squeeze=False)[0]
    for axes, variant in zip(panels, variants, strict=True):
        chosen = pairs[pairs["variant"] == variant]
        for pair in chosen.to_dict("records"):
            _draw_pair(axes, across.index(pair["rate_none"]), upwards.index(pair["rate_momentum"]), pair)
        _finish(axes, variant, across, upwards)
    panels[0].set_ylabel("rate with momentum")
    handles = [Patch(facecolor=face, edgecolor="0.5", linewidth=0.4, label=text) for face, _, text in _STATES.values()]
    handles.append(Patch(facecolor="none", edgecolor="black", linewidth=1.6, label="all four hold"))
    handles.append(Patch(facecolor="none", edgecolor="0.55", linewidth=1.2, label="three hold"))
    about = "claims: C2 and C3, by the rate without momentum, above; C4 and C5, by the pair, below"
    figure.legend(handles=handles, loc="outside upper center", ncols=5, title=about)
    return figure


def _draw_pair(axes: Axes, column: int, row: int, pair: dict[str, object]) -> None:
    for claim, (right, up) in _PLACES.items():
        reproduced, holding = pair[claim] == "reproduced", bool(pair[f"{claim}_holds"])
        face, ink, _ = _STATES["reproduced" if reproduced else "holds" if holding else "neither"]
        corner = (column - _HALF + right * _HALF, row - _HALF + up * _HALF)
        axes.add_patch(Rectangle(corner, _HALF, _HALF, facecolor=face, edgecolor="0.8", linewidth=0.3))
        middle = (corner[0] + _HALF / 2, corner[1] + _HALF / 2)
        axes.text(*middle, claim[1:], ha="center", va="center_baseline", fontsize=7, color=ink)
    frames = {4: ("black", 1.6), 3: ("0.55", 1.2)}
    if frame := frames.get(int(str(pair["holding"]))):
        box = Rectangle((column - _HALF, row - _HALF), 2 * _HALF, 2 * _HALF, fill=False, zorder=3)
        box.set(edgecolor=frame[0], linewidth=frame[1], gid=f"{pair['holding']} hold")
        axes.add_patch(box)


def _finish(axes: Axes, variant: str, across: list[float], upwards: list[float]) -> None:
    axes.set_title(name_variant(variant), pad=3)
    axes.set_xlim(-0.5, len(across) - 0.5)
    axes.set_ylim(-0.5, len(upwards) - 0.5)
    axes.set_xticks(
        range(len(across)), [f"{rate:g}" for rate in across], rotation=45, ha="right", rotation_mode="anchor"
    )
    axes.set_yticks(range(len(upwards)), [f"{rate:g}" for rate in upwards])
    axes.set_xlabel("rate without momentum")
    axes.tick_params(length=0)
    axes.grid(False)
