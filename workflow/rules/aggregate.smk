# From runs to tidy tables, and from tables to verdicts.

TABLES = {name: f"{RESULTS}/tables/{file}" for name, file in list_aggregated(STUDY).items()}
ENVIRONMENT = f"{RESULTS}/tables/environment.json"
AGGREGATED = [*TABLES.values(), ENVIRONMENT, MADE_FROM]

if not SHIPPED:

    PRODUCTS.add(
        "aggregate_runs",
        inputs={"runs": RUN_FILES},
        outputs={**TABLES, "environment": ENVIRONMENT},
        settings=describe_aggregation(STUDY),
    )

    rule aggregate_runs:
        input:
            unpack(lambda wildcards: fresh_inputs("aggregate_runs")),
        output:
            **PRODUCTS["aggregate_runs"].outputs,
        log:
            "logs/aggregate_runs.log",
        params:
            runs=RUNS,
            **PRODUCTS["aggregate_runs"].params,
        resources:
            mem_mb=2000,
            runtime=30,
        message:
            "Aggregating {STUDY.params.preset}"
        script:
            "../scripts/make_product.py"


# The verdicts of an earlier study, beside which this one's are shown.
EARLIER = list(filter(None, [find_earlier(STUDY, Path("results"))]))

PRODUCTS.add(
    "judge_claims",
    inputs={
        **{key: TABLES[key] for key in ("runs", "evaluations")},
        **{name: f"{RESULTS}/tables/{name}.csv" for name in list_read_by_rules(STUDY)},
        "template": "report/templates/claims.html.j2",
        "earlier": EARLIER,
    },
    outputs={
        "claims": f"{RESULTS}/claims.json",
        "table": report(f"{RESULTS}/claims.html", caption="../report/claims.rst", category="Claims"),
        "metrics": f"{RESULTS}/metrics.json",
    },
    settings={key: STUDY.manifest()[key] for key in ("run", "claims")},
)


rule judge_claims:
    input:
        unpack(lambda wildcards: fresh_inputs("judge_claims")),
    output:
        **PRODUCTS["judge_claims"].outputs,
    log:
        "logs/judge_claims.log",
    params:
        **PRODUCTS["judge_claims"].params,
    resources:
        mem_mb=2000,
        runtime=30,
    message:
        "Judging the claims"
    script:
        "../scripts/make_product.py"
