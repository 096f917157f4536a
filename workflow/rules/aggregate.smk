# From runs to tidy tables, and from tables to verdicts.

TABLES = {name: f"{RESULTS}/tables/{name}.csv" for name in ("runs", "evaluations", "arms", "curves", "dvc_curves")}
ENVIRONMENT = f"{RESULTS}/tables/environment.json"
AGGREGATED = [*TABLES.values(), ENVIRONMENT, MADE_FROM]
STATISTICS = [SOURCES / "asgd/aggregate.py", SOURCES / "asgd/statistics.py"]

if not SHIPPED:

    rule aggregate_runs:
        input:
            RUN_FILES,
            manifest=MANIFEST,
            sources=STATISTICS,
            script="workflow/scripts/aggregate_runs.py",
        output:
            **TABLES,
            environment=ENVIRONMENT,
            manifest=MADE_FROM,
        log:
            "logs/aggregate_runs.log",
        params:
            runs=RUNS,
        resources:
            mem_mb=2000,
            runtime=30,
        message:
            "Aggregating {STUDY.params.preset}"
        script:
            "../scripts/aggregate_runs.py"


rule judge_claims:
    input:
        runs=TABLES["runs"],
        evaluations=TABLES["evaluations"],
        manifest=MANIFEST,
        sources=[*sorted((SOURCES / "asgd/claims").glob("*.py")), *STATISTICS],
        script="workflow/scripts/judge_claims.py",
    output:
        claims=f"{RESULTS}/claims.json",
        table=report(f"{RESULTS}/claims.html", caption="../report/claims.rst", category="Claims"),
        metrics=f"{RESULTS}/metrics.json",
    log:
        "logs/judge_claims.log",
    resources:
        mem_mb=2000,
        runtime=30,
    message:
        "Judging the claims"
    script:
        "../scripts/judge_claims.py"
