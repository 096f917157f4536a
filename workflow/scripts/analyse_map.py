"""The map of the unstated settings: outcomes, claims at every rate, and over all pairs of settings."""

from asgd.config import ClaimsConfig, validate
from asgd.files import write_json
from asgd.phase_map import (
    PhaseMap,
    summarize_map,
    summarize_pairs,
    summarize_pairs_briefly,
    tabulate_claims,
    tabulate_pairs,
)
from asgd.tables import read_table, write_table

margins = validate(ClaimsConfig, snakemake.params.settings["claims"], "claims")
phase_map = PhaseMap.of(read_table(snakemake.input.runs), read_table(snakemake.input.evaluations), margins)
judged = phase_map.judge_rates()
pairs = tabulate_pairs(phase_map, judged)
write_table(snakemake.output.map, summarize_map(phase_map))
write_table(snakemake.output.claims, tabulate_claims(judged, margins))
write_table(snakemake.output.pairs, pairs)
sentence = summarize_pairs(pairs, phase_map.runs["seed"].nunique(), margins)
write_json(snakemake.output.summary, {"reconciliation": sentence, "pairs": summarize_pairs_briefly(pairs)})
