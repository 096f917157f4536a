# Generated LaTeX (every number and table of the text), the PDF, and the checksums of all that is shipped.

from asgd.report.generated import MANUSCRIPT, list_generated, list_templates

TABLE_FILES = [f"{RESULTS}/tables/{name}" for name in list_generated("report")]
REPORT = f"{RESULTS}/report.pdf"
PRODUCT_FILES = [*rules.judge_claims.output, *ANALYSIS_FILES, *FIGURE_FILES, EXPLORER_PAGE, *TABLE_FILES]
PRODUCT_FILES += [REPORT] if WITH_PDF else []
BENCHMARK = "results/benchmark.json"  # of `asgd bench`: what the naive simulator would have cost
CHECKSUMS = f"{RESULTS}/checksums.json"

PRODUCTS.add(
    "build_tables",
    inputs={
        "runs": TABLES["runs"],
        "arms": TABLES["arms"],
        "environment": ENVIRONMENT,
        "claims": PRODUCTS["judge_claims"].outputs["claims"],
        "summaries": [path for path in ANALYSIS_FILES if path.endswith("_summary.json")],
        "sharpness": [path for path in ANALYSIS_FILES if path == ANALYSES["sharpness"]],
        "benchmark": [path for path in [BENCHMARK] if Path(path).exists()],
        "earlier": EARLIER,
        "manuscript": f"report/{MANUSCRIPT}",
        "templates": [str(path) for suffix in (".tex", ".txt") for path in list_templates("report", suffix)],
    },
    outputs={"files": TABLE_FILES},
    settings={
        "params": {
            "preset": STUDY.params.preset,
            "presets": {STUDY.params.preset: STUDY.params.selected.model_dump(mode="json", exclude={"analyses", "earlier"})},
            "claims": STUDY.manifest()["claims"],
        },
        "figures": list(FIGURES),
    },
    roots=[f"{FIGURE_ROOM}.{figure}" for figure in FIGURES],  # their captions
)


rule build_tables:
    input:
        unpack(lambda wildcards: fresh_inputs("build_tables")),
    output:
        **PRODUCTS["build_tables"].outputs,
    log:
        "logs/build_tables.log",
    params:
        **PRODUCTS["build_tables"].params,
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Writing the report's tables and numbers"
    script:
        "../scripts/make_product.py"


PRODUCTS.add(
    "build_report",
    inputs={
        "sources": sorted(str(path) for pattern in ("*.tex", "*.bib") for path in Path("report").glob(pattern)),
        "generated": TABLE_FILES + [file for file in FIGURE_FILES if file.endswith(".pdf")],
    },
    outputs={"pdf": REPORT},
)


rule build_report:
    input:
        unpack(lambda wildcards: fresh_inputs("build_report")),
    output:
        **PRODUCTS["build_report"].outputs,
    log:
        "logs/build_report.log",
    params:
        **PRODUCTS["build_report"].params,
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Compiling the report"
    script:
        "../scripts/make_product.py"


# Without TeX a report that is there stays among what is shipped as long as it is that of the present numbers.
_kept_report = [REPORT] if not WITH_PDF and Path(REPORT).exists() and PRODUCTS.is_fresh("build_report") else []
PRODUCTS.add(
    "record_checksums",
    inputs={"files": [*AGGREGATED, *PRODUCT_FILES, *_kept_report]},
    outputs={"checksums": CHECKSUMS},
)


rule record_checksums:
    input:
        unpack(lambda wildcards: fresh_inputs("record_checksums")),
    output:
        **PRODUCTS["record_checksums"].outputs,
    log:
        "logs/record_checksums.log",
    params:
        **PRODUCTS["record_checksums"].params,
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Recording the checksums of what is shipped"
    script:
        "../scripts/make_product.py"
