"""Write the report's generated LaTeX: numbers, verdicts, accuracies, open settings and environment."""

from pathlib import Path

from asgd.claims import claims_from_json
from asgd.files import read_json
from asgd.report import Findings, write_tables
from asgd.settings.study import Params
from asgd.settings.validation import validate
from asgd.tables.files import read_table

made = snakemake.input
write_tables(
    Path(snakemake.output[0]).parent,
    validate(Params, snakemake.params.settings, "params.yaml"),
    read_table(made.runs),
    read_table(made.arms),
    claims_from_json(read_json(made.claims), made.claims),
    read_json(made.environment),
    Findings.read(made.summaries, *(next(iter(files), None) for files in (made.sharpness, made.benchmark))),
)
