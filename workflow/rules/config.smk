# What params.yaml and --config ask for, and where it goes.

from asgd.cli import flags_of
from asgd.config import load_params
from asgd.errors import AsgdError
from asgd.job import FILES
from asgd.kept import keep_runs, restore_runs
from asgd.study import ANALYSED, OPTIONS, check_shipped, plan_study, write_manifest

if unknown := config.keys() - OPTIONS.keys():
    raise WorkflowError(
        f"--config {unknown.pop()}: unknown key; allowed are {', '.join(sorted(OPTIONS))}. "
        "Parameters of the study stand in params.yaml"
    )

DATA_ROOT = Path("data")
RUNS = "results/runs"
KEPT = Path("results/kept")
WITH_PDF = str(config.get("pdf", True)).lower() != "false"
# The tables are taken as they are, and what would make them, from images and runs, is left out of the workflow.
SHIPPED = str(config.get("shipped", False)).lower() == "true"
# How many runs a training job has: on a cluster a job's own start takes longer than many a run.
RUNS_PER_JOB = str(config.get("runs_per_job", 1))
if not (RUNS_PER_JOB.isdigit() and int(RUNS_PER_JOB)):
    raise WorkflowError(f"--config runs_per_job={RUNS_PER_JOB}: give a whole number of at least 1")
RUNS_PER_JOB = int(RUNS_PER_JOB)

try:
    STUDY = plan_study(load_params(config.get("params", "params.yaml"), config.get("preset")), DATA_ROOT)
    RESULTS = f"results/{STUDY.params.preset}"
    MADE_FROM = f"{RESULTS}/tables/study.json"
    if SHIPPED:
        check_shipped(STUDY, Path(MADE_FROM))
    write_manifest(STUDY, Path(RESULTS, "study.json"))
except AsgdError as error:
    raise WorkflowError(str(error)) from None

EXPERIMENTS = STUDY.experiments
RUN_FILES = [f"{RUNS}/{run}/{name}" for run in STUDY.runs for name in FILES]


def keep_finished_runs():
    """Take back the runs that are missing and keep the others; where that is not possible all else still is."""
    # A job that starts elsewhere, on a cluster, plans again: the first process does this for all.
    if SHIPPED or not workflow.is_main_process:
        return
    try:
        if restored := restore_runs(STUDY.runs, Path(RUNS), KEPT):
            print(f"{restored:,} runs were missing in {RUNS} and are taken back from {KEPT}", file=sys.stderr)
        keep_runs(STUDY.runs, Path(RUNS), KEPT)
    except OSError as error:
        print(f"warning: {KEPT}: finished runs cannot be kept there ({error.strerror})", file=sys.stderr)


keep_finished_runs()
