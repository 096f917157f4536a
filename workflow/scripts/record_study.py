"""Record which study the tables are of: the last of them, so that it never says more than is there."""

from pathlib import Path

from asgd.files import read_json, write_json

job = snakemake.params
# What analyses trained is known only now: for `asgd pack`, `asgd verify` and `asgd prune`.
trained = {name: read_json(Path(file)) for name, file in job.trained.items()}
write_json(Path(snakemake.output.manifest), {**job.settings, "trained": trained})
