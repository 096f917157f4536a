# A figure and its files share a name; what it shows and reads is declared in its module (asgd.figures.plot).

from asgd.figures.plot import FORMATS, ROOM as FIGURE_ROOM, list_plots
from asgd.study.products import select_figures

PLOTS = list_plots()
FIGURES = select_figures(STUDY)
FIGURE_FILES = [f"{RESULTS}/figures/{figure}.{suffix}" for figure in FIGURES for suffix in FORMATS]


def describe_provenance(wildcards):
    """Which runs a figure shows, on which images."""
    experiment = FIGURES[wildcards.figure]
    runs = EXPERIMENTS[experiment] if experiment else STUDY.runs
    shown = f"experiment {experiment}" if experiment else "all experiments"
    return f"{len(runs)} runs of {shown}, preset {STUDY.params.preset}, images {STUDY.data_folder.name}"


for _figure, _experiment in FIGURES.items():
    _tables = PLOTS[_figure].tables
    PRODUCTS.add(
        f"plot_{_figure}",
        inputs={**{name: TABLES.get(name) or ANALYSES[name] for name in _tables}, "style": "report/asgd.mplstyle"},
        outputs={suffix: f"{RESULTS}/figures/{_figure}.{suffix}" for suffix in FORMATS},
        settings={"figure": _figure, "experiment": _experiment, "tables": _tables},
        script="plot_figure",
        roots=[f"{FIGURE_ROOM}.{_figure}"],
    )


rule plot_figure:
    input:
        unpack(lambda wildcards: fresh_inputs(f"plot_{wildcards.figure}")),
    output:
        pdf=RESULTS + "/figures/{figure}.pdf",
        png=report(
            RESULTS + "/figures/{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
    wildcard_constraints:
        figure="|".join(FIGURES) or "none",
    log:
        "logs/plot_{figure}.log",
    params:
        caption=lambda wildcards: PLOTS[wildcards.figure].caption,
        provenance=describe_provenance,
        script=lambda wildcards: PRODUCTS[f"plot_{wildcards.figure}"].params["script"],
        settings=lambda wildcards: PRODUCTS[f"plot_{wildcards.figure}"].params["settings"],
        record=lambda wildcards: PRODUCTS[f"plot_{wildcards.figure}"].params["record"],
        roots=lambda wildcards: PRODUCTS[f"plot_{wildcards.figure}"].params["roots"],
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Plotting {wildcards.figure}"
    script:
        "../scripts/make_product.py"
