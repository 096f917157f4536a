"""Read the runs of a preset and write its tidy tables."""

from pathlib import Path

from asgd.files import write_json
from asgd.runs.pool import Pool
from asgd.tables.aggregate import summarize_runs, tabulate_runs
from asgd.tables.columns import AGGREGATED
from asgd.tables.environment import describe_records
from asgd.tables.files import write_table

study = snakemake.params.settings
names = dict.fromkeys(name for members in study["experiments"].values() for name in members)
with Pool(Path(snakemake.params.runs)) as pool:
    runs = [pool.read(name) for name in names]
    pool.remember(names)
tables = tabulate_runs(runs, study["experiments"])
named = dict(zip(("runs", "evaluations"), tables, strict=True)) | summarize_runs(*tables, study["confidence"])
for name, table in named.items():
    write_table(snakemake.output[name], table, AGGREGATED[name].key)
write_json(snakemake.output.environment, describe_records([record for record, _ in runs]))
