# One page to look at all results with, which needs no network.

from asgd.report.generated import EXPLORER, EXPLORER_PARTS
from asgd.study.products import describe_explorer

_about = describe_explorer(STUDY)
EXPLORER_PAGE = f"{RESULTS}/{EXPLORER}"

PRODUCTS.add(
    "build_explorer",
    inputs={
        **{name: TABLES[name] for name in ("runs", "arms", "evaluations")},
        "claims": PRODUCTS["judge_claims"].outputs["claims"],
        "figures": [f"{RESULTS}/figures/{name}.png" for name in _about["captions"]],
        "templates": [f"report/templates/{name}" for name in EXPLORER_PARTS],
    },
    outputs={"page": EXPLORER_PAGE},
    settings=_about,
)


rule build_explorer:
    input:
        unpack(lambda wildcards: fresh_inputs("build_explorer")),
    output:
        **PRODUCTS["build_explorer"].outputs,
    log:
        "logs/build_explorer.log",
    params:
        **PRODUCTS["build_explorer"].params,
    resources:
        mem_mb=2000,
        runtime=10,
    message:
        "Building the explorer of the results"
    script:
        "../scripts/make_product.py"
