# What params.yaml and --config ask for, and where it goes.

from asgd.settings import folders
from asgd.settings.folders import DATA_ROOT, KEPT
from asgd.settings.study import load_params
from asgd.errors import AsgdError
from asgd.runs.kept import keep_runs, restore_runs
from asgd.runs.pool import Pool
from asgd.settings.workflow import read_options
from asgd.analyses.analysis import ROOM as ANALYSIS_ROOM, list_analyses
from asgd.study.products import check_taken, describe_aggregation, find_earlier, list_aggregated, list_analysis_files, list_read_by_rules
from asgd.study.plan import plan_study
from asgd.study.manifest import check_shipped, write_manifest

RUNS = str(folders.RUNS)

try:
    OPTIONS = read_options(config)
    WITH_PDF = OPTIONS.pdf
    # The tables are taken as they are, and what would make them, from images and runs, is left out of the workflow.
    SHIPPED = OPTIONS.shipped
    # How many runs a training job has.
    RUNS_PER_JOB = OPTIONS.runs_per_job
    STUDY = plan_study(load_params(OPTIONS.params, OPTIONS.preset), DATA_ROOT)
    RESULTS = f"results/{STUDY.params.preset}"
    MADE_FROM = f"{RESULTS}/tables/study.json"
    if SHIPPED:
        check_shipped(STUDY, Path(MADE_FROM))
        check_taken(Path(RESULTS), STUDY)
    write_manifest(STUDY, Path(RESULTS, "study.json"))
except AsgdError as error:
    raise WorkflowError(str(error)) from None

EXPERIMENTS = STUDY.experiments


def keep_finished_runs():
    """Take back the runs that are missing and keep the others; where that is not possible all else still is."""
    # A job that starts elsewhere, on a cluster, plans again: the first process does this for all.
    if SHIPPED or not workflow.is_main_process:
        return
    try:
        pool = Pool()
        if restored := restore_runs(STUDY.runs, pool, KEPT):
            print(f"{restored:,} runs were missing in {RUNS} and are taken back from {KEPT}", file=sys.stderr)
            pool = Pool()
        keep_runs(STUDY.runs, pool, KEPT)
    except (AsgdError, OSError) as error:
        print(f"warning: {KEPT}: finished runs cannot be kept there ({error})", file=sys.stderr)


if not SHIPPED:
    for folder in (folders.RUNS, folders.BATCHES):  # outputs of DVC's, which misses a folder that is not there
        folder.mkdir(parents=True, exist_ok=True)
keep_finished_runs()
