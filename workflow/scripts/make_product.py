"""Run the script of a product, and record what it was made from: what every product's rule calls."""

import runpy

from asgd.logs import log_to
from asgd.study.freshness import recording

if __name__ == "__main__":  # and not in the processes that train an analysis's runs, which read this file again
    log_to(snakemake.log[0])
    job = snakemake.params
    inputs = [file for file in snakemake.input if file != snakemake.input.get("changed")]  # see products.smk
    with recording(job.record, job.script, inputs, snakemake.output, job.settings, job.get("roots", ())):
        runpy.run_path(job.script, {"snakemake": snakemake})
