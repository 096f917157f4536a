"""Judge the claims from the tables of a preset; write them, and a handful of numbers for metrics.json."""

from pathlib import Path

from asgd.claims import claims_to_json, judge_claims
from asgd.claims.claim import list_read
from asgd.claims.metrics import summarize_metrics
from asgd.files import write_json, write_text
from asgd.report import make_claims_page, read_earlier
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate
from asgd.tables.columns import EVALUATIONS, RUNS
from asgd.tables.files import read_table

study = snakemake.params.settings
base, margins = validate(RunConfig, study["run"], "run"), validate(ClaimsConfig, study["claims"], "claims")
runs = read_table(snakemake.input.runs, RUNS.columns)
evaluations = read_table(snakemake.input.evaluations, EVALUATIONS.columns)
read = {name: read_table(path, ()) for name, path in snakemake.input.items() if name in list_read(margins.edition)}
verdicts = judge_claims(runs, evaluations, margins, base, tables=read)
write_json(snakemake.output.claims, claims_to_json(verdicts))
earlier = read_earlier(next(iter(snakemake.input.earlier), None))
write_text(snakemake.output.table, make_claims_page(verdicts, Path(snakemake.input.template).parents[1], earlier))
write_json(snakemake.output.metrics, summarize_metrics(runs, verdicts.verdicts, base))
