# Training jobs, each of some runs. A run's name carries a hash of the configuration, the data and the training sources,
# so neither an old result nor one of another configuration can be taken for this one; Snakemake's own triggers add
# nothing. Runs are stored in folders, or where the preset asks for it in batches.

from asgd.runs.folder import list_files as list_run_files
from asgd.runs.sources import fingerprint_sources
from asgd.settings.folders import BATCHES
from asgd.settings.order import Order
from asgd.study.batches import START, START_ON_CLUSTER, cut_batches, expect_minutes, order_file, write_orders

# The fused engine compiles itself once, before the jobs fan out, or each of the first ones would.
COMPILED = f"logs/compile_engine-{fingerprint_sources('fused')[:12]}.log"
TRAIN = f"OMP_NUM_THREADS=1 {ASGD} train --each - --data-root {shlex.quote(str(DATA_ROOT))}"


rule compile_engine:
    output:
        COMPILED,
    resources:
        mem_mb=1500,
        runtime=10,
    message:
        "Compiling the fused engine"
    shell:
        "{ASGD} compile > {output:q}"


# Looked for once: a study may have very many runs.
POOL = Pool(thorough=workflow.is_main_process)
LACKING = {name: run for name, run in STUDY.runs.items() if name not in POOL}
IN_BATCHES = list(filter(STUDY.is_batched, LACKING.values()))


def needed_to_train(lacking):
    """What runs that are not there are trained from."""
    compiled = [COMPILED] if any(run.config.resolved_engine()[0] == "fused" for run in lacking) else []
    return [ancient(file) for file in [DATA, *compiled]]


# Runs in batches.

ORDERS = Path(RESULTS, folders.ORDERS)
if workflow.is_main_process:
    BATCHED = write_orders(IN_BATCHES, STUDY.params.selected.data, STUDY.params.selected.runs_per_batch or 1, ORDERS)
else:
    # A job on a cluster reads this file again, when other batches may be there. Its own is among the orders.
    BATCHED = {file.stem: [] for file in ORDERS.glob("*.jsonl")}

if BATCHED:

    rule train_batch:
        input:
            needed_to_train(IN_BATCHES),
        output:
            f"{BATCHES}/{{batch}}.parquet",
        log:
            "logs/batches/{batch}.log",
        wildcard_constraints:
            batch="|".join(BATCHED),
        params:
            orders=lambda wildcards: str(order_file(wildcards.batch, ORDERS)),
        resources:
            mem_mb=1000,
            runtime=lambda wildcards: expect_minutes(BATCHED[wildcards.batch], STUDY.params.selected.data),
        message:
            "Training a batch of runs: {wildcards.batch}"
        shell:
            "{TRAIN} --batch {output:q} < {params.orders:q} > {log:q} 2>&1"


# Runs in folders.


def cut_jobs():
    """The runs of each training job: one with real workers, which need cores of their own, has one with its replay."""
    simulated, recorded = [], {}
    for run in STUDY.runs.values():
        if run.config.execution != "simulated":
            recorded.setdefault(run.config.recorded_run().model_dump_json(), []).append(run)
        elif not STUDY.is_batched(run):
            simulated.append(run)
    in_order = [sorted(runs, key=lambda run: run.config.execution == "replayed") for runs in recorded.values()]
    return [*cut_simulated(simulated), *in_order]


def cut_simulated(runs):
    data = STUDY.params.selected.data
    # Snakemake does not know its executor yet; one for a cluster must be told how many jobs to submit at a time.
    if workflow.is_main_process and workflow.resource_settings.nodes is None:
        lacking = [run for run in runs if run.name in LACKING]
        return cut_batches(lacking, data, RUNS_PER_JOB, START, workflow.cores)
    # A job on a cluster reads this file again, when other jobs may have ended and on a machine with other cores, and
    # must find its own rule: so the cut depends on the study alone.
    return cut_batches(runs, data, RUNS_PER_JOB, START_ON_CLUSTER)


# A rule for each job: it trains those of its runs that are not there. A job on a cluster must find its rule also where
# all its runs have been finished since it was submitted: `asgd train` leaves them as they are.
for number, runs in enumerate(cut_jobs()):
    lacking = [run for run in runs if run.name in LACKING]
    if not lacking and workflow.is_main_process:
        continue
    ordered = lacking or runs

    rule:
        name:
            f"train_runs_{number}"
        input:
            needed_to_train(lacking),
        output:
            [f"{RUNS}/{run.name}/{name}" for run in lacking for name in list_run_files(run.name)],
        log:
            f"logs/train_runs_{number}.log",
        params:
            orders=[
                Order(run=run.config, data=STUDY.params.selected.data, out=f"{RUNS}/{run.name}").to_json()
                for run in ordered
            ],
        threads: max(run.config.num_workers + 1 if run.config.execution == "real" else 1 for run in ordered)
        resources:
            mem_mb=1000,
            runtime=240,
        message:
            f"Training runs: {len(lacking)}, {ordered[0].name} first"
        shell:
            "printf '%s\\n' {params.orders:q} | {TRAIN} --logs logs/runs > {log:q} 2>&1"


# The files of all runs. A job on a cluster that reads them starts when all are there.
_planned = {run.name: f"{BATCHES}/{batch}.parquet" for batch, runs in BATCHED.items() for run in runs}
RUN_FILES = [*POOL.list_files(run for run in STUDY.runs if run not in _planned), *dict.fromkeys(_planned.values())]
