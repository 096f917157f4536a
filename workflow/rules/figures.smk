# A figure, its script and its file share a name, which says which figure of the paper it answers.

# Each with the experiment that it shows (None: all of them).
FIGURES = {
    "figure1_delay": "delay",
    "figure1_real_time": "delay",
    "figure2_momentum": "momentum",
    "figure3_dropout": "dropout",
    "outcomes": None,
    "sharpness": "map",
    "phase_map": "map",
    "reconciliation": "map",
    "readings": "readings",
    "death": "readings",
    "regulariser": "regulariser",
}
# The tables that a figure reads beside those of all figures.
FIGURE_TABLES = {
    "sharpness": {"sharpness": ANALYSES["sharpness"]},
    "phase_map": {"map": ANALYSES["map"], "sharpness": ANALYSES["sharpness"]},
    "reconciliation": {"pairs": ANALYSES["map_pairs"]},
    "readings": {"runs": TABLES["runs"]},
    "death": {"death": ANALYSES["death"]},
}
FIGURE_FILES = [
    f"{RESULTS}/figures/{figure}.{suffix}"
    for figure, experiment in FIGURES.items()
    if experiment is None or experiment in EXPERIMENTS
    for suffix in ("pdf", "png")
]


rule plot_figure:
    input:
        unpack(lambda wildcards: FIGURE_TABLES.get(wildcards.figure, {})),
        arms=TABLES["arms"],
        curves=TABLES["curves"],
        evaluations=TABLES["evaluations"],
        style="report/asgd.mplstyle",
        script="workflow/scripts/plot_{figure}.py",
        sources=sorted((SOURCES / "asgd/figures").glob("*.py")),
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
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Plotting {wildcards.figure}"
    script:
        "../scripts/plot_{wildcards.figure}.py"
