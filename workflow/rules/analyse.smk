# The analyses beyond the claims: a rule for each of asgd.analyses that this study has. Those that train keep their runs
# with all others, so a job that was killed goes on, and they need the images only while runs are missing.

ANALYSIS_THREADS = 8  # runs at a time, if there are so many cores

# Every table of an analysis by name, and those of this study.
ANALYSES = {
    Path(name).stem: f"{RESULTS}/tables/{name}"
    for analysis in list_analyses().values()
    for name in analysis.files.values()
}
ANALYSIS_FILES = [f"{RESULTS}/tables/{name}" for name in list_analysis_files(STUDY.analyses)]
_TRAINED = [f"{RESULTS}/tables/{name}" for name in list_analysis_files(STUDY.analyses, trained=True)]

# Where those that train record the names of their runs.
RUNS_OF_ANALYSES = {}

for _name, _chosen in STUDY.analyses.items():
    _analysis = _chosen.analysis
    # Where results are shipped their tables are too.
    if SHIPPED and _analysis.trains:
        continue
    _product = PRODUCTS.add(
        f"analyse_{_name}",
        inputs={**({"data": DATA} if _analysis.trains else {}), **{key: TABLES[key] for key in _analysis.reads}},
        outputs={key: f"{RESULTS}/tables/{name}" for key, name in _analysis.files.items()},
        settings=STUDY.describe_analysis(_name),
        dispensable=["data"],
        script="make_analysis",
        roots=[f"{ANALYSIS_ROOM}.{_name}"],
    )
    if _analysis.trains:
        RUNS_OF_ANALYSES[_name] = str(_product.record.with_suffix(".runs.json"))

    rule:
        name:
            _product.name
        input:
            # `product` is bound here: Snakemake asks when the loop is over.
            unpack(lambda wildcards, product=_product.name: fresh_inputs(product)),
        output:
            **_product.outputs,
        log:
            f"logs/{_product.name}.log",
        params:
            **_product.params,
            # Not among the settings, which are what decides the tables.
            data_root=str(DATA_ROOT),
            used=RUNS_OF_ANALYSES.get(_name, ""),
        threads: ANALYSIS_THREADS if _analysis.trains else 1
        resources:
            mem_mb=lambda wildcards, threads: 1000 + 1000 * threads,
            runtime=240,
        message:
            f"Analysing: {_name}"
        script:
            "../scripts/make_product.py"


if not SHIPPED:
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
            trained=RUNS_OF_ANALYSES,
        resources:
            mem_mb=1000,
            runtime=10,
        message:
            "Recording which study the tables are of"
        script:
            "../scripts/make_product.py"
