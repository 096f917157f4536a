"""One run dying, probed closely, beside the same run without the output ReLU."""

from pathlib import Path

from asgd.autopsy import choose_dying_run, describe_death, dissect_run, list_logit_deaths
from asgd.config import ClaimsConfig, RunConfig, validate
from asgd.data import load_data
from asgd.files import read_json, write_json
from asgd.logs import log_to
from asgd.tables import read_table, write_table

log_to(snakemake.log[0])
manifest = read_json(snakemake.input.manifest)
base = validate(RunConfig, manifest["run"], snakemake.input.manifest)
margins = validate(ClaimsConfig, manifest["claims"], snakemake.input.manifest)
config = choose_dying_run(read_table(snakemake.input.runs), base, margins)
table = dissect_run(config, load_data(Path(snakemake.input.data).parent))
write_table(snakemake.output.table, table)
write_table(snakemake.output.logits, list_logit_deaths(table[table["output_relu"]]))
write_json(snakemake.output.summary, {"death": describe_death(table), "config": config.model_dump()})
