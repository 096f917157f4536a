"""Read the runs of a preset and write its tidy tables."""

from pathlib import Path

from asgd.files import write_json
from asgd.tables.aggregate import aggregate_runs
from asgd.tables.columns import AGGREGATED
from asgd.tables.environment import collect_environment
from asgd.tables.files import write_table

study = snakemake.params.settings
names = dict.fromkeys(name for members in study["experiments"].values() for name in members)
folders = [Path(snakemake.params.runs, name) for name in names]
for name, table in aggregate_runs(folders, study["experiments"], study["confidence"]).items():
    write_table(snakemake.output[name], table, AGGREGATED[name].key)
write_json(snakemake.output.environment, collect_environment(folder / "run.json" for folder in folders))
