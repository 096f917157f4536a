# The table of contents of the study: configuration, the rules' files, and the targets.
#
#   snakemake --cores 8                        the preset that params.yaml names
#   snakemake --cores 8 --config preset=paper  another preset
#   snakemake --cores 8 --config pdf=False     without TeX: everything but the report
#   snakemake --cores 8 --config shipped=True  from the tables that are there: no images, no runs, no training
#   snakemake --cores 8 runs                   one of the targets below

import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")

# The package of this working copy, also in `dvc exp run --temp`, where an editable install would mean another copy.
SOURCES = Path(workflow.basedir) / "src"
sys.path.insert(0, str(SOURCES))
# Jobs run with these packages and settings, not with a user's: docs/how-to/other-machines.md.
for name in [name for name in os.environ if name.startswith("PYTHON")]:
    del os.environ[name]
os.environ |= {"PYTHONPATH": str(SOURCES), "PYTHONUTF8": "1", "MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
ASGD = f"{shlex.quote(sys.executable)} -m asgd"

from asgd.logs import summarize_failures
from asgd.study.status import StatusReader, report_progress

STARTED = time.time()

include: "workflow/rules/dvc.smk"
include: "workflow/rules/config.smk"
include: "workflow/rules/products.smk"
if not SHIPPED:
    include: "workflow/rules/data.smk"
    include: "workflow/rules/train.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/explorer.smk"
include: "workflow/rules/report.smk"

onstart:
    if not SHIPPED:
        report_progress(StatusReader(STUDY.runs, Path(RUNS), Path("logs/runs"), ORDERS), logger.info)


onsuccess:
    keep_finished_runs()
    if not SHIPPED:
        shutil.rmtree(ORDERS, ignore_errors=True)


onerror:
    keep_finished_runs()
    # What Snakemake itself counts as failed: the logs of jobs that were killed say nothing.
    failed = [(job.name, [str(file) for file in job.log]) for job in workflow.scheduler.failed]
    print(summarize_failures(failed, STARTED), file=sys.stderr)


localrules: all, data, runs, tables, figures


rule all:
    default_target: True
    input:
        # The tables too: without them Snakemake takes what was made from them for up to date, and they are shipped.
        AGGREGATED,
        PRODUCT_FILES,
        CHECKSUMS,


if not SHIPPED:

    rule data:
        input:
            DATA,

    rule runs:
        input:
            RUN_FILES,


rule tables:
    input:
        AGGREGATED,
        TABLE_FILES,
        rules.judge_claims.output,


rule figures:
    input:
        FIGURE_FILES,
