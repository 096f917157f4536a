# Generated LaTeX (every number and table of the text), the PDF, and the checksums of all that is shipped.

from asgd.study import GENERATED

TABLE_FILES = [f"{RESULTS}/tables/{name}" for name in GENERATED]
REPORT = f"{RESULTS}/report.pdf"
PRODUCTS = [*rules.judge_claims.output, *ANALYSIS_FILES, *FIGURE_FILES, *TABLE_FILES, *([REPORT] if WITH_PDF else [])]
BENCHMARK = "results/benchmark.json"  # of `asgd bench`: what the naive simulator would have cost
CHECKSUMS = f"{RESULTS}/checksums.json"


rule build_tables:
    input:
        runs=TABLES["runs"],
        arms=TABLES["arms"],
        environment=ENVIRONMENT,
        claims=rules.judge_claims.output.claims,
        summaries=[path for path in ANALYSIS_FILES if path.endswith("_summary.json")],
        sharpness=[path for path in ANALYSIS_FILES if path == ANALYSES["sharpness"]],
        benchmark=[path for path in [BENCHMARK] if Path(path).exists()],
        manifest=MANIFEST,
        sources=sorted((SOURCES / "asgd/report").glob("*.py")),
        script="workflow/scripts/build_tables.py",
    output:
        TABLE_FILES,
    log:
        "logs/build_tables.log",
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Writing the report's tables and numbers"
    script:
        "../scripts/build_tables.py"


rule build_report:
    input:
        source="report/report.tex",
        references="report/references.bib",
        discussion=[path for path in [f"report/discussion-{STUDY.params.preset}.tex"] if Path(path).exists()],
        generated=TABLE_FILES + [file for file in FIGURE_FILES if file.endswith(".pdf")],
        script="workflow/scripts/build_report.py",
    output:
        pdf=REPORT,
    log:
        "logs/build_report.log",
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Compiling the report"
    script:
        "../scripts/build_report.py"


rule record_checksums:
    input:
        files=[*AGGREGATED, *PRODUCTS],
        script="workflow/scripts/record_checksums.py",
    output:
        CHECKSUMS,
    log:
        "logs/record_checksums.log",
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Recording the checksums of what is shipped"
    script:
        "../scripts/record_checksums.py"
