# One training job a run. The folder's name carries a hash of the configuration, the data and the training sources, so
# neither an old result nor one of another configuration can be taken for this one; Snakemake's own triggers add nothing.

from asgd.provenance import fingerprint_sources

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


rule train_run:
    input:
        ancient(DATA),
        lambda wildcards: (
            ancient(COMPILED) if STUDY.runs[wildcards.run].config.resolved_engine()[0] == "fused" else []
        ),
    output:
        metrics=RUNS + "/{run}/metrics.csv",
        record=RUNS + "/{run}/run.json",
    log:
        "logs/runs/{run}.log",
    params:
        run_flags=lambda wildcards: flags_of(STUDY.runs[wildcards.run].config),
        data_flags=flags_of(STUDY.params.selected.data, "data-"),
        root=DATA_ROOT,
        folder=RUNS + "/{run}",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
    message:
        "Training {wildcards.run}"
    shell:
        "OMP_NUM_THREADS=1 {ASGD} train {params.run_flags:q} {params.data_flags:q} --data-root {params.root:q}"
        " --out {params.folder:q} > {log:q} 2>&1"
