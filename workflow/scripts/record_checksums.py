"""Record the checksums of all files that a preset's results consist of; `asgd verify` compares them."""

from pathlib import Path

from asgd.study.shipped import write_checksums

write_checksums(snakemake.input.files, Path(snakemake.output[0]))
