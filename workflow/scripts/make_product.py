"""Run the script of a product, and record what it was made from (asgd.freshness): what every product's rule calls."""

import runpy

from asgd.freshness import recording
from asgd.logs import log_to

log_to(snakemake.log[0])
job = snakemake.params
inputs = [file for file in snakemake.input if file != snakemake.input.get("changed")]  # see products.smk
with recording(job.record, job.script, inputs, snakemake.output, job.settings):
    runpy.run_path(job.script, {"snakemake": snakemake})
