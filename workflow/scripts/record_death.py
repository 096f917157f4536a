"""One run dying, probed closely, beside the same run without the output ReLU; and a survey of all that died."""

from pathlib import Path

from asgd.analyses.death.autopsy import Probing, choose_dying_run, dissect_run, list_logit_deaths
from asgd.analyses.death.summary import summarize_deaths
from asgd.analyses.death.survey import count_live_at_start, rank_explanations, survey_deaths
from asgd.data import load_data
from asgd.files import write_json
from asgd.settings.analyses import DeathConfig
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate
from asgd.tables.files import read_table, write_table

study = snakemake.params.settings
base, margins = validate(RunConfig, study["run"], "run"), validate(ClaimsConfig, study["claims"], "claims")
wanted = validate(DeathConfig, study["death"], "analyses.death")
probing = Probing(wanted.num_probes, wanted.num_images, wanted.sharpness_every)
runs, dataset = read_table(snakemake.input.runs), load_data(Path(snakemake.input.data).parent)
config = choose_dying_run(runs, base, margins, dataset)
table = dissect_run(config, dataset, probing)
survey = survey_deaths(runs, base, dataset, probing._replace(num_probes=wanted.survey_probes))
live = count_live_at_start(sorted(set(runs["seed"])), base, dataset, wanted.num_images)
ranks = rank_explanations(runs, base, live)
write_table(snakemake.output.table, table)
write_table(snakemake.output.logits, list_logit_deaths(table[table["output_relu"]]))
write_table(snakemake.output.survey, survey)
write_json(snakemake.output.summary, summarize_deaths(table, survey, ranks, live, config))
