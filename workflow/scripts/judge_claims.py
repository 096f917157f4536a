"""Judge the claims from the tables of a preset; write them, and a handful of numbers for metrics.json."""

from asgd.aggregate import summarize_metrics
from asgd.claims import claims_to_json, judge_claims
from asgd.config import ClaimsConfig, RunConfig, validate
from asgd.files import write_json, write_text
from asgd.report.page import make_claims_page
from asgd.tables import read_table

study = snakemake.params.settings
base, margins = validate(RunConfig, study["run"], "run"), validate(ClaimsConfig, study["claims"], "claims")
runs, evaluations = read_table(snakemake.input.runs), read_table(snakemake.input.evaluations)
verdicts = judge_claims(runs, evaluations, margins, base)
write_json(snakemake.output.claims, claims_to_json(verdicts, margins.edition))
write_text(snakemake.output.table, make_claims_page(verdicts))
write_json(snakemake.output.metrics, summarize_metrics(runs, verdicts, base))
