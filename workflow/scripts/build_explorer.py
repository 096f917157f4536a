"""Write the explorer of the results: a page with every run's curve, which needs no network."""

from pathlib import Path

from asgd.claims import claims_from_json
from asgd.files import read_json, write_text
from asgd.report.explorer import Shown, make_explorer
from asgd.tables.files import read_table

read, about = snakemake.input, snakemake.params.settings
verdicts = claims_from_json(read_json(read.claims), read.claims)
tables = {name: read_table(read[name]) for name in ("runs", "arms", "evaluations")}
figures = {Path(file).stem: Path(file).read_bytes() for file in read.get("figures", [])}
shown = {name: Shown(about["captions"][name], png) for name, png in figures.items()}
page = make_explorer(about["study"], tables, verdicts, shown, Path(read.templates[0]).parents[1])
write_text(Path(snakemake.output.page), page)
