"""The map of the unstated settings: outcomes, claims at every rate, and over all pairs of settings."""

from asgd.analyses.phase_map import PhaseMap, analyse_map
from asgd.files import write_json
from asgd.settings.claims import ClaimsConfig
from asgd.settings.validation import validate
from asgd.tables.files import read_table, write_table

margins = validate(ClaimsConfig, snakemake.params.settings["claims"], "claims")
made = snakemake.input
tables, summary = analyse_map(PhaseMap.of(read_table(made.runs), read_table(made.evaluations), margins))
write_table(snakemake.output.map, tables["map"])
write_table(snakemake.output.claims, tables["map_claims"])
write_table(snakemake.output.pairs, tables["map_pairs"])
write_json(snakemake.output.summary, summary)
