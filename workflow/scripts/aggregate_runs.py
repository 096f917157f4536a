"""Read the runs of a preset and write its tidy tables."""

from pathlib import Path

from asgd.figures import select_dvc_curves
from asgd.files import write_json
from asgd.report import collect_environment
from asgd.tables.aggregate import read_runs, summarize_arms, summarize_curves
from asgd.tables.files import write_table

study = snakemake.params.settings
names = dict.fromkeys(name for members in study["experiments"].values() for name in members)
folders = [Path(snakemake.params.runs, name) for name in names]
runs, evaluations = read_runs(folders, study["experiments"])
arms, curves = summarize_arms(runs), summarize_curves(evaluations, study["confidence"])
write_table(snakemake.output.runs, runs)
write_table(snakemake.output.evaluations, evaluations)
write_table(snakemake.output.arms, arms)
write_table(snakemake.output.curves, curves)
write_table(snakemake.output.dvc_curves, select_dvc_curves(arms, curves))
write_json(snakemake.output.environment, collect_environment(folder / "run.json" for folder in folders))
