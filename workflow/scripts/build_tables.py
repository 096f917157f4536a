"""Write the report's generated LaTeX: the templates, filled with the numbers of the study."""

from pathlib import Path

from asgd.claims import claims_from_json
from asgd.files import read_json
from asgd.report import Findings, collect_numbers, write_tables
from asgd.settings.study import Params
from asgd.settings.validation import validate
from asgd.tables.files import read_table

made, settings = snakemake.input, snakemake.params.settings
numbers = collect_numbers(
    validate(Params, settings["params"], "params.yaml"),
    read_table(made.runs),
    read_table(made.arms),
    claims_from_json(read_json(made.claims), made.claims),
    read_json(made.environment),
    settings["figures"],
    Findings.read(
        made.summaries, *(next(iter(files), None) for files in (made.sharpness, made.benchmark, made.earlier))
    ),
)
write_tables(Path(snakemake.output[0]).parent, Path(made.templates[0]).parents[1], numbers)
