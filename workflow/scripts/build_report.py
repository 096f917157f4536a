"""Compile the report from its source and the generated tables and figures."""

from pathlib import Path

from asgd.report import build_report

build_report(Path(snakemake.input.sources[0]).parent, snakemake.input.generated, snakemake.output.pdf)
