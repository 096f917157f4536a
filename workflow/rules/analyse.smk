# What the study finds beyond the paper's own figures: the map and its reconciliation, the sharpness, a run's death.

from asgd.study.products import select_analyses

ANALYSES = {
    "map": f"{RESULTS}/tables/map.csv",
    "map_claims": f"{RESULTS}/tables/map_claims.csv",
    "map_pairs": f"{RESULTS}/tables/map_pairs.csv",
    "map_summary": f"{RESULTS}/tables/map_summary.json",
    "sharpness": f"{RESULTS}/tables/sharpness.csv",
    "death": f"{RESULTS}/tables/death.csv",
    "death_logits": f"{RESULTS}/tables/death_logits.csv",
    "death_survey": f"{RESULTS}/tables/death_survey.csv",
    "death_summary": f"{RESULTS}/tables/death_summary.json",
}
ANALYSIS_FILES = [f"{RESULTS}/tables/{name}" for name in select_analyses(EXPERIMENTS)]
# Those that train.
_TRAINED = [path for name, path in ANALYSES.items() if name.split("_")[0] in ANALYSED and path in ANALYSIS_FILES]

PRODUCTS.add(
    "analyse_map",
    inputs={key: TABLES[key] for key in ("runs", "evaluations")},
    outputs={
        "map": ANALYSES["map"],
        "claims": ANALYSES["map_claims"],
        "pairs": ANALYSES["map_pairs"],
        "summary": ANALYSES["map_summary"],
    },
    settings={"claims": STUDY.manifest()["claims"]},
)


rule analyse_map:
    input:
        unpack(lambda wildcards: fresh_inputs("analyse_map")),
    output:
        **PRODUCTS["analyse_map"].outputs,
    log:
        "logs/analyse_map.log",
    params:
        **PRODUCTS["analyse_map"].params,
    resources:
        mem_mb=2000,
        runtime=30,
    message:
        "Judging the claims over the map"
    script:
        "../scripts/make_product.py"


# These two train a few runs more, so they need the images; where the results are shipped their tables are too. The
# images' folder is named by what is in it: once the tables are there, they are up to date without it.
if not SHIPPED:

    _sharpness = STUDY.params.selected.analyses.sharpness
    _mapped = {run.config.num_workers for run in EXPERIMENTS.get("map", [])}
    PRODUCTS.add(
        "measure_sharpness",
        inputs={"data": DATA},
        outputs={"table": ANALYSES["sharpness"]},
        settings={
            "run": STUDY.params.selected.run,
            "num_workers": sorted({1} | set(_sharpness.num_workers) & _mapped),
            "seeds": STUDY.params.selected.seeds[: _sharpness.num_seeds],
            "epochs": _sharpness.epochs,
            "num_images": _sharpness.num_images,
        },
        dispensable=["data"],
    )

    rule measure_sharpness:
        input:
            unpack(lambda wildcards: fresh_inputs("measure_sharpness")),
        output:
            **PRODUCTS["measure_sharpness"].outputs,
        log:
            "logs/measure_sharpness.log",
        params:
            **PRODUCTS["measure_sharpness"].params,
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        message:
            "Measuring the sharpness"
        script:
            "../scripts/make_product.py"

    PRODUCTS.add(
        "record_death",
        inputs={"data": DATA, "runs": TABLES["runs"]},
        outputs={
            "table": ANALYSES["death"],
            "logits": ANALYSES["death_logits"],
            "survey": ANALYSES["death_survey"],
            "summary": ANALYSES["death_summary"],
        },
        settings={
            **{key: STUDY.manifest()[key] for key in ("run", "claims")},
            "death": STUDY.params.selected.analyses.death.model_dump(),
        },
        dispensable=["data"],
    )

    rule record_death:
        input:
            unpack(lambda wildcards: fresh_inputs("record_death")),
        output:
            **PRODUCTS["record_death"].outputs,
        log:
            "logs/record_death.log",
        params:
            **PRODUCTS["record_death"].params,
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        message:
            "Dissecting the runs that died"
        script:
            "../scripts/make_product.py"

    # The tables that are taken as they are where results are shipped, and which study they are of.
    PRODUCTS.add(
        "record_study",
        inputs={"tables": [*TABLES.values(), ENVIRONMENT, *_TRAINED]},
        outputs={"manifest": MADE_FROM},
        settings=STUDY.table_manifest(),
    )

    rule record_study:
        input:
            unpack(lambda wildcards: fresh_inputs("record_study")),
        output:
            **PRODUCTS["record_study"].outputs,
        log:
            "logs/record_study.log",
        params:
            **PRODUCTS["record_study"].params,
        resources:
            mem_mb=1000,
            runtime=10,
        message:
            "Recording which study the tables are of"
        script:
            "../scripts/make_product.py"
