# One training job a run. The folder's name carries a hash of the configuration, the data and the training sources, so
# neither an old result nor one of another configuration can be taken for this one; Snakemake's own triggers add nothing.

import shlex

from asgd.runs.folder import is_finished
from asgd.runs.sources import fingerprint_sources

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


DATA_FLAGS = [*flags_of(STUDY.params.selected.data, "data-"), "--data-root", str(DATA_ROOT)]


def needed_to_train(runs):
    """What ``runs`` are trained from; nothing if all are there: where the images are not, nobody need prepare them."""
    lacking = [run for run in runs if not is_finished(Path(RUNS, run.name))]
    compiled = [COMPILED] if any(run.config.resolved_engine()[0] == "fused" for run in lacking) else []
    return [ancient(file) for file in [DATA, *compiled]] if lacking else []


# One rule for all runs cannot say that some of them have more files.
if RUNS_PER_JOB == 1 and not any(run.config.probes for run in STUDY.runs.values()):

    rule train_run:
        input:
            lambda wildcards: needed_to_train([STUDY.runs[wildcards.run]]),
        output:
            metrics=RUNS + "/{run}/metrics.csv",
            record=RUNS + "/{run}/run.json",
        log:
            "logs/runs/{run}.log",
        params:
            run_flags=lambda wildcards: flags_of(STUDY.runs[wildcards.run].config),
            data_flags=DATA_FLAGS,
            folder=RUNS + "/{run}",
        threads: 1
        resources:
            mem_mb=1000,
            runtime=240,
        message:
            "Training {wildcards.run}"
        shell:
            "OMP_NUM_THREADS=1 {ASGD} train {params.run_flags:q} {params.data_flags:q}"
            " --out {params.folder:q} > {log:q} 2>&1"

else:
    # A rule for each batch of the study's runs, cut where the study is, whatever is done already: a job that starts
    # elsewhere reads this file again and must find its own rule. A batch trains what it lacks.
    for number, runs in enumerate(STUDY.batches(RUNS_PER_JOB)):
        lacking = [run for run in runs if not is_finished(Path(RUNS, run.name))]
        if not lacking:
            continue

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
                lines=[shlex.join([*flags_of(run.config), "--out", f"{RUNS}/{run.name}"]) for run in lacking],
                data_flags=DATA_FLAGS,
            threads: 1
            resources:
                mem_mb=1000,
                runtime=240,
            message:
                f"Training {len(lacking)} of the runs, {lacking[0].name} first"
            shell:
                "printf '%s\\n' {params.lines:q} |"
                " OMP_NUM_THREADS=1 {ASGD} train --each - --logs logs/runs {params.data_flags:q} > {log:q} 2>&1"
