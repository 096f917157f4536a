"""Record which study the tables are of: the last of them, so that it never says more than is there."""

from pathlib import Path

from asgd.files import write_json

write_json(Path(snakemake.output.manifest), snakemake.params.settings)
