"""Compile the report from its source and the generated tables and figures."""

from pathlib import Path

from asgd.logs import log_to
from asgd.report import build_report

log_to(snakemake.log[0])
build_report(Path(snakemake.input.source).parent, snakemake.input.generated, snakemake.output.pdf)
