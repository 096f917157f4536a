# A figure, its rule, its script and its file share a name, which says which figure of the paper it answers.

# Each with the experiment that it shows (None: all of them).
FIGURES = {
    "figure1_delay": "delay",
    "figure1_real_time": "delay",
    "figure2_momentum": "momentum",
    "figure3_dropout": "dropout",
    "outcomes": None,
}
FIGURE_FILES = [
    f"{RESULTS}/figures/{figure}.{suffix}"
    for figure, experiment in FIGURES.items()
    if experiment is None or experiment in EXPERIMENTS
    for suffix in ("pdf", "png")
]

for figure in FIGURES:

    rule:
        name:
            f"plot_{figure}"
        input:
            runs=TABLES["runs"],
            evaluations=TABLES["evaluations"],
            arms=TABLES["arms"],
            curves=TABLES["curves"],
            style="report/asgd.mplstyle",
            sources=[SOURCES / "asgd/plotting.py"],
        output:
            pdf=f"{RESULTS}/figures/{figure}.pdf",
            png=f"{RESULTS}/figures/{figure}.png",
        log:
            f"logs/plot_{figure}.log",
        resources:
            mem_mb=1000,
            runtime=10,
        message:
            f"Plotting {figure}"
        script:
            f"../scripts/plot_{figure}.py"
