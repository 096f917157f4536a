"""Read the runs of a preset and write its tidy tables."""

import shutil
from pathlib import Path

from asgd.aggregate import read_runs, summarize_arms, summarize_curves
from asgd.figures import select_dvc_curves
from asgd.files import read_json, write_json
from asgd.logs import log_to
from asgd.report import collect_environment
from asgd.tables import write_table

log_to(snakemake.log[0])
manifest = read_json(snakemake.input.manifest)
names = dict.fromkeys(name for members in manifest["experiments"].values() for name in members)
folders = [Path(snakemake.params.runs, name) for name in names]
runs, evaluations = read_runs(folders, manifest["experiments"])
arms, curves = summarize_arms(runs), summarize_curves(evaluations, manifest["claims"]["confidence"])
write_table(snakemake.output.runs, runs)
write_table(snakemake.output.evaluations, evaluations)
write_table(snakemake.output.arms, arms)
write_table(snakemake.output.curves, curves)
write_table(snakemake.output.dvc_curves, select_dvc_curves(arms, curves))
write_json(snakemake.output.environment, collect_environment(folder / "run.json" for folder in folders))
shutil.copyfile(snakemake.input.manifest, snakemake.output.manifest)
