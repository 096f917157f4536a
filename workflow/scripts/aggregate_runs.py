"""Read the runs of a preset and write its tidy tables."""

from contextlib import ExitStack
from pathlib import Path

from asgd.files import write_json
from asgd.runs.pool import Pool
from asgd.tables.aggregate import aggregate_runs
from asgd.tables.chunks import aggregate_arms
from asgd.tables.columns import AGGREGATED
from asgd.tables.environment import Environment
from asgd.tables.files import append_table, remove_other_forms, write_table

study, outputs = snakemake.params.settings, snakemake.output
experiments = study["experiments"]
names = list(dict.fromkeys(name for members in experiments.values() for name in members))
environment, pool = Environment(), Pool(Path(snakemake.params.runs))


def read(some):
    """Read runs in the order of their names."""
    return environment.watch(map(pool.read, some))


if "arms" in study:
    with ExitStack() as stack:
        growing = {name: table.key for name, table in AGGREGATED.items() if table.grows}
        append = {name: stack.enter_context(append_table(outputs[name], key)) for name, key in growing.items()}
        arms = ([names[place] for place in places] for places in study["arms"])
        tables = aggregate_arms(arms, read, experiments, study["later"], lambda name, rows: append[name](rows))
else:
    tables = aggregate_runs(read(names), experiments)
for name, table in tables.items():
    write_table(outputs[name], table, AGGREGATED[name].key)
for name in AGGREGATED:
    remove_other_forms(outputs[name])
write_json(outputs.environment, environment.describe())
pool.remember(names)
