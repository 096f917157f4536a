# Training jobs, each of some runs. The name of a run's folder carries a hash of the configuration, the data and the
# training sources, so neither an old result nor one of another configuration can be taken for this one; Snakemake's own
# triggers add nothing.

from asgd.runs.folder import is_finished
from asgd.runs.sources import fingerprint_sources
from asgd.settings.order import Order
from asgd.study.batches import START, START_ON_CLUSTER, cut_batches

# The fused engine compiles itself once, before the jobs fan out, or each of the first ones would.
COMPILED = f"logs/compile_engine-{fingerprint_sources('fused')[:12]}.log"


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
LACKING = {name: run for name, run in STUDY.runs.items() if not is_finished(Path(RUNS, name))}


def needed_to_train(lacking):
    """What runs that are not there are trained from."""
    compiled = [COMPILED] if any(run.config.resolved_engine()[0] == "fused" for run in lacking) else []
    return [ancient(file) for file in [DATA, *compiled]]


def cut_jobs():
    """The runs of each training job: one with real workers, which need cores of their own, has one with its replay."""
    simulated, recorded = [], {}
    for run in STUDY.runs.values():
        if run.config.execution == "simulated":
            simulated.append(run)
        else:
            recorded.setdefault(run.config.recorded_run().model_dump_json(), []).append(run)
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
            root=DATA_ROOT,
        threads: max(run.config.num_workers + 1 if run.config.execution == "real" else 1 for run in ordered)
        resources:
            mem_mb=1000,
            runtime=240,
        message:
            f"Training runs: {len(lacking)}, {ordered[0].name} first"
        shell:
            "printf '%s\\n' {params.orders:q} |"
            " OMP_NUM_THREADS=1 {ASGD} train --each - --logs logs/runs --data-root {params.root:q} > {log:q} 2>&1"
