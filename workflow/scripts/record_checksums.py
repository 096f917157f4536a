"""Record the checksums of all files that a preset's results consist of; `asgd verify` compares them."""

from pathlib import Path

from asgd.logs import log_to
from asgd.shipped import write_checksums

log_to(snakemake.log[0])
write_checksums(snakemake.input.files, Path(snakemake.output[0]))
