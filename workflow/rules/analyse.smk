# What the study finds beyond the paper's own figures: the map and its reconciliation, the sharpness, a run's death.

from asgd.products import select_analyses

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


rule analyse_map:
    input:
        runs=TABLES["runs"],
        evaluations=TABLES["evaluations"],
        manifest=MANIFEST,
        sources=[
            *[SOURCES / "asgd" / name for name in ("phase_map.py", "stability.py", "statistics.py")],
            *sorted((SOURCES / "asgd/claims").glob("*.py")),
        ],
        script="workflow/scripts/analyse_map.py",
    output:
        map=ANALYSES["map"],
        claims=ANALYSES["map_claims"],
        pairs=ANALYSES["map_pairs"],
        summary=ANALYSES["map_summary"],
    log:
        "logs/analyse_map.log",
    resources:
        mem_mb=2000,
        runtime=30,
    message:
        "Judging the claims over the map"
    script:
        "../scripts/analyse_map.py"


# These two train a few runs more, so they need the images; where the results are shipped their tables are too.
if not SHIPPED:

    rule measure_sharpness:
        input:
            data=ancient(DATA),
            manifest=MANIFEST,
            sources=SOURCES / "asgd/sharpness.py",
            script="workflow/scripts/measure_sharpness.py",
        output:
            ANALYSES["sharpness"],
        log:
            "logs/measure_sharpness.log",
        params:
            seeds=STUDY.params.selected.seeds[:3],
            workers=sorted({run.config.num_workers for run in EXPERIMENTS.get("map", [])} & {10, 30, 100} | {1}),
            epochs=[0, 0.25, 0.5, 1, 2, 3],
            num_images=500,
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        message:
            "Measuring the sharpness"
        script:
            "../scripts/measure_sharpness.py"

    rule record_death:
        input:
            runs=TABLES["runs"],
            data=ancient(DATA),
            manifest=MANIFEST,
            sources=[SOURCES / "asgd" / name for name in ("autopsy.py", "deaths.py", "sharpness.py")],
            script="workflow/scripts/record_death.py",
        output:
            table=ANALYSES["death"],
            logits=ANALYSES["death_logits"],
            survey=ANALYSES["death_survey"],
            summary=ANALYSES["death_summary"],
        log:
            "logs/record_death.log",
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        message:
            "Dissecting the runs that died"
        script:
            "../scripts/record_death.py"
