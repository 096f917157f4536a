# A figure, its script and its file share a name, which says which figure of the paper it answers.

from asgd.study.products import FIGURES, FORMATS, select_figures

# The tables that a figure reads beside those of all figures.
FIGURE_TABLES = {
    "sharpness": {"sharpness": ANALYSES["sharpness"]},
    "phase_map": {"map": ANALYSES["map"], "sharpness": ANALYSES["sharpness"]},
    "reconciliation": {"pairs": ANALYSES["map_pairs"]},
    "readings": {"runs": TABLES["runs"]},
    "death": {"death": ANALYSES["death"]},
}
# What the page of `snakemake --report` says below each; the PDF has longer ones.
CAPTIONS = {
    "figure1_delay": "Figure 1 of the paper: training loss and test accuracy against total compute, for each m.",
    "figure1_real_time": "The curves of Figure 1 against real time, server steps / m.",
    "figure2_momentum": "Figure 2 of the paper: training with and without momentum, a panel for each m.",
    "figure3_dropout": "Figure 3 of the paper: training at m = 1 for each dropout rate p.",
    "outcomes": "How the seeds of every arm ended: trained, at a plateau, dead or non-finite.",
    "sharpness": "The sharpness along training for several m, and the largest that linear theory has stable.",
    "phase_map": "How runs end over learning rate and m, for each kind of momentum, with the limit of stability.",
    "reconciliation": "For every pair of settings that the paper does not state, which of its claims hold.",
    "readings": "Every run's loss under the four readings of the paper's network.",
    "death": "A run that dies, followed closely, and the same run without the ReLU on its logits.",
    "regulariser": "The train-test gap against the training loss, for delays and for dropout rates.",
}


def describe_provenance(wildcards):
    """Which runs a figure shows, on which images."""
    experiment = FIGURES[wildcards.figure]
    runs = EXPERIMENTS[experiment] if experiment else STUDY.runs
    shown = f"experiment {experiment}" if experiment else "all experiments"
    return f"{len(runs)} runs of {shown}, preset {STUDY.params.preset}, images {STUDY.data_folder.name}"


FIGURE_FILES = [f"{RESULTS}/figures/{figure}.{suffix}" for figure in select_figures(EXPERIMENTS) for suffix in FORMATS]


for _figure in FIGURES:
    PRODUCTS.add(
        f"plot_{_figure}",
        inputs={
            **{key: TABLES[key] for key in ("arms", "curves", "evaluations")},
            **FIGURE_TABLES.get(_figure, {}),
            "style": "report/asgd.mplstyle",
        },
        outputs={suffix: f"{RESULTS}/figures/{_figure}.{suffix}" for suffix in ("pdf", "png")},
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
        figure="|".join(FIGURES),
    log:
        "logs/plot_{figure}.log",
    params:
        caption=lambda wildcards: CAPTIONS[wildcards.figure],
        provenance=describe_provenance,
        script=lambda wildcards: PRODUCTS[f"plot_{wildcards.figure}"].params["script"],
        settings=lambda wildcards: PRODUCTS[f"plot_{wildcards.figure}"].params["settings"],
        record=lambda wildcards: PRODUCTS[f"plot_{wildcards.figure}"].params["record"],
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Plotting {wildcards.figure}"
    script:
        "../scripts/make_product.py"
