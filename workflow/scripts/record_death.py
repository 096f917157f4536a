"""One run dying, probed closely, beside the same run without the output ReLU; and a survey of all that died."""

from pathlib import Path

from asgd.autopsy import choose_dying_run, describe_death, dissect_run, list_logit_deaths
from asgd.config import ClaimsConfig, RunConfig, validate
from asgd.data import load_data
from asgd.deaths import count_live_at_start, describe_ranks, describe_survey, rank_explanations, survey_deaths
from asgd.files import read_json, write_json
from asgd.logs import log_to
from asgd.tables import read_table, write_table

log_to(snakemake.log[0])
manifest = read_json(snakemake.input.manifest)
base = validate(RunConfig, manifest["run"], snakemake.input.manifest)
margins = validate(ClaimsConfig, manifest["claims"], snakemake.input.manifest)
runs, dataset = read_table(snakemake.input.runs), load_data(Path(snakemake.input.data).parent)
config = choose_dying_run(runs, base, margins, dataset)
table = dissect_run(config, dataset)
survey = survey_deaths(runs, base, dataset)
ranks = rank_explanations(runs, base, count_live_at_start(sorted(set(runs["seed"])), base, dataset))
write_table(snakemake.output.table, table)
write_table(snakemake.output.logits, list_logit_deaths(table[table["output_relu"]]))
write_table(snakemake.output.survey, survey)
sentences = {"death": describe_death(table), "deaths": describe_survey(survey, ranks), "ranks": describe_ranks(ranks)}
write_json(snakemake.output.summary, {**sentences, "config": config.model_dump()})
