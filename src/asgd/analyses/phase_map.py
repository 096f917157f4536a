"""The map: which settings that the paper does not state make its claims hold, alone and together.

Its experiment varies the learning rate, m and the kind of momentum. At every rate all claims are judged by the
fixed rules (``asgd.claims``) on the map's own seeds. Then every *pair* of settings is tried, a rate without momentum
and a rate and a convention with it, because the paper may well have chosen them apart. Each claim says which of the two
decides it (``Claim.mapped``).

The map has few seeds, so a rule often cannot decide. Beside the verdict stands therefore whether a claim *holds*: it is
reproduced, or it is not rejected and its estimate lies where the claim says (`agrees`, beside each rule).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from asgd.analyses.analysis import Analysis
from asgd.analyses.given import Given
from asgd.analyses.stability import find_threshold
from asgd.claims import Verdict, find_claims, holds, judge_claims
from asgd.claims.conventions import CONVENTIONS
from asgd.claims.judging import judge_claim
from asgd.errors import AsgdError
from asgd.settings.claims import ClaimsConfig, EditionName
from asgd.settings.run import RunConfig
from asgd.settings.subjects import Subject
from asgd.settings.validation import validate
from asgd.simulator.outcome import OUTCOMES
from asgd.tables.arms import Evidence, change
from asgd.tables.statistics import mcnemar_test
from asgd.tables.table import Table

ANALYSIS = Analysis(
    about=Subject(varies=("learning_rate", "num_workers", "momentum")),
    reads=("runs", "evaluations"),
    needs=("claims",),
    tables={
        "map": Table(
            rows="one for each learning rate, m and kind of momentum that has runs",
            key=("learning_rate", "num_workers", "variant"),
            columns={
                "learning_rate": "eta",
                "num_workers": "m, the number of workers",
                "variant": "kind of momentum: none, or who keeps it and by which convention",
                "n_runs": "number of runs, one a seed",
                "trained": "share of the runs that trained",
                "plateau": "share of the runs that were alive, at chance, at the end",
                "dead": "share of the runs that died",
                "non_finite": "share of the runs that overflowed",
                "majority": "the most frequent outcome",
                "accuracy_mean": "mean over runs of the final test accuracy, in [0, 1]",
                "accuracy_std": "its standard deviation (n - 1); empty for one run",
                "threshold": "largest learning rate times curvature that linear theory has stable",
            },
        ),
        "map_claims": Table(
            rows="one for each learning rate and claim",
            key=("learning_rate", "claim"),
            columns={
                "learning_rate": "eta",
                "claim": "id of the claim, with its variant, as in C4-server-ema",
                "verdict": "by the rule of the claim",
                "holds": "whether it is reproduced, or not rejected with its estimate where it says; some claims only",
                "effect": "the estimate that the rule judges",
                "unit": "of the effect and its interval",
                "low": "lower limit of the interval of the effect",
                "high": "upper limit of it",
                "p_value": "one-sided, small where it supports the claim",
                "n": "runs or pairs of runs",
            },
        ),
        "map_pairs": Table(
            rows="one for each rate without momentum, rate with it and kind of momentum",
            key=("rate_none", "rate_momentum", "variant"),
            columns={
                "rate_none": "eta of the runs without momentum",
                "rate_momentum": "eta of the runs with momentum",
                "variant": "kind of momentum: who keeps it and by which convention",
                **{claim: f"verdict of {claim}" for claim in ("C2", "C3", "C4", "C5")},
                **{
                    f"{claim}_holds": f"whether {claim} holds, as in map_claims.csv"
                    for claim in ("C2", "C3", "C4", "C5")
                },
                "reproduced": "how many of the four are reproduced",
                "holding": "how many of the four hold",
            },
        ),
    },
    summary="map_summary",
)

NO_MOMENTUM = "none"
VARIANTS = (NO_MOMENTUM, *map(str, CONVENTIONS))

_AXES = ("learning_rate", "num_workers", "momentum", "momentum_where", "momentum_convention", "seed")

Judged = Mapping[float, Sequence[Verdict]]


def list_mapped(edition: EditionName, decided_by: Sequence[str] = ("rate", "pair")) -> tuple[str, ...]:
    """The ids of the claims that a rate without momentum, or a pair of settings, decides."""
    return tuple(name for name, claim in find_claims(edition).items() if claim.mapped in decided_by)


PAIR_CLAIMS = list_mapped("first")


@dataclass(frozen=True)
class PhaseMap:
    """The map's runs and evaluations, and the settings that they share. Build it with ``PhaseMap.of``."""

    runs: pd.DataFrame  #: with a column `variant`: one of VARIANTS
    evaluations: pd.DataFrame
    margins: ClaimsConfig
    base: RunConfig

    @staticmethod
    def of(runs: pd.DataFrame, evaluations: pd.DataFrame, margins: ClaimsConfig, experiment: str) -> "PhaseMap":
        """Select the map's ``experiment`` from the tables of ``asgd.tables.aggregate``.

        Raises AsgdError without such runs, or if they differ in more than rate, m, momentum and seed.
        """
        chosen = runs[[experiment in str(names).split(";") for names in runs["experiments"]]]
        chosen = chosen[chosen["momentum"].isin([0.0, margins.momentum])]
        if chosen.empty:
            raise AsgdError(f"runs.csv: has no runs of experiment '{experiment}'; add it to params.yaml")
        chosen = chosen.assign(variant=[_name_variant(row) for row in chosen.to_dict("records")])
        evaluated = evaluations[evaluations["run"].isin(set(chosen["run"]))]
        return PhaseMap(chosen, evaluated, margins, _shared_settings(chosen, experiment))

    @property
    def rates(self) -> list[float]:
        """All learning rates, ascending."""
        return sorted(float(rate) for rate in self.runs["learning_rate"].unique())

    def judge_rates(self) -> dict[float, list[Verdict]]:
        """All claims at every learning rate, with and without momentum at the same nominal rate."""
        found = {}
        for rate in self.rates:
            runs = self.runs[self.runs["learning_rate"] == rate]
            base = change(self.base, learning_rate=rate)
            found[rate] = judge_claims(runs, self.evaluations, self.margins, base).verdicts
        return found

    def judge_pair(self, rate_none: float, rate_momentum: float) -> dict[str, list[Verdict]]:
        """The claims that a pair decides, by convention that has runs; runs with momentum have a rate of their own."""
        rates, plain = self.runs["learning_rate"], self.runs["variant"] == NO_MOMENTUM
        runs = self.runs[(plain & (rates == rate_none)) | (~plain & (rates == rate_momentum))]
        without, momentum = (change(self.base, learning_rate=rate) for rate in (rate_none, rate_momentum))
        evidence = Evidence.of(runs, self.evaluations, self.margins, without, momentum)
        decided = list_mapped(self.margins.edition, ["pair"])
        verdicts = [verdict for claim in decided for verdict in judge_claim(claim, evidence)]
        present = [variant for variant in VARIANTS if variant in set(runs["variant"]) - {NO_MOMENTUM}]
        return {variant: [verdict for verdict in verdicts if verdict.variant == variant] for variant in present}


def tabulate(given: Given) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """What the tables of runs give."""
    tables = given.tables["runs"], given.tables["evaluations"]
    return analyse_map(PhaseMap.of(*tables, given.claims, given.experiment))


def analyse_map(phase_map: PhaseMap) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables map, map_claims and map_pairs by name, and the content of map_summary.json."""
    judged = phase_map.judge_rates()
    pairs = tabulate_pairs(phase_map, judged)
    claims = tabulate_claims(judged, phase_map.margins)
    summary = summarize_pairs(pairs, phase_map.runs["seed"].nunique(), phase_map.margins)
    return {"map": summarize_map(phase_map), "map_claims": claims, "map_pairs": pairs}, summary


def summarize_map(phase_map: PhaseMap) -> pd.DataFrame:
    """The table ``map``."""
    keys = ["learning_rate", "num_workers", "variant"]
    runs = phase_map.runs
    shares = pd.crosstab([runs[key] for key in keys], runs["outcome"], normalize="index")
    shares = shares.reindex(columns=list(OUTCOMES), fill_value=0.0)
    accuracy = runs.groupby(keys)["final_test_accuracy"].agg(["size", "mean", "std"])
    accuracy.columns = pd.Index(["n_runs", "accuracy_mean", "accuracy_std"])
    table = shares.assign(majority=shares.idxmax(axis="columns")).join(accuracy).reset_index()
    table.insert(len(keys), "n_runs", table.pop("n_runs"))
    limits = {
        (m, variant): stability_threshold(m, variant, phase_map.margins.momentum)
        for m, variant in table[["num_workers", "variant"]].drop_duplicates().itertuples(index=False)
    }
    table["threshold"] = [limits[key] for key in zip(table["num_workers"], table["variant"], strict=True)]
    order = table["variant"].map(VARIANTS.index)
    return table.iloc[order.to_numpy().argsort(kind="stable")].reset_index(drop=True)


def stability_threshold(num_workers: int, variant: str, momentum: float) -> float:
    """The largest stable learning rate times curvature for one of ``VARIANTS``."""
    if variant == NO_MOMENTUM:
        return find_threshold(num_workers)
    where, convention = variant.split("-")
    return find_threshold(num_workers, momentum, where, convention)


def tabulate_claims(judged: Judged, margins: ClaimsConfig) -> pd.DataFrame:
    """The table ``map_claims`` of what ``PhaseMap.judge_rates`` found."""
    rows, mapped = [], list_mapped(margins.edition)
    for rate, verdicts in judged.items():
        for verdict in verdicts:
            low, high = verdict.interval or (None, None)
            row = {"learning_rate": rate, "claim": verdict.id, "verdict": verdict.verdict}
            row |= {"holds": holds(verdict, margins) if verdict.claim in mapped else None}
            row |= {"effect": verdict.effect, "unit": verdict.unit, "low": low, "high": high}
            rows.append(row | {"p_value": verdict.p_value, "n": verdict.n})
    return pd.DataFrame(rows)


def tabulate_pairs(phase_map: PhaseMap, judged: Judged) -> pd.DataFrame:
    """The table ``map_pairs``: all pairs of settings. ``judged`` is what ``PhaseMap.judge_rates`` found."""
    rows, by_rate = [], list_mapped(phase_map.margins.edition, ["rate"])
    for rate_none in phase_map.rates:
        alone = [verdict for verdict in judged[rate_none] if verdict.claim in by_rate]
        for rate_momentum in phase_map.rates:
            for variant, pair in phase_map.judge_pair(rate_none, rate_momentum).items():
                names = {"rate_none": rate_none, "rate_momentum": rate_momentum, "variant": variant}
                rows.append(names | _describe_pair([*alone, *pair], phase_map.margins))
    return pd.DataFrame(rows)


def summarize_pairs(pairs: pd.DataFrame, seeds: int, margins: ClaimsConfig) -> dict[str, Any]:
    """How many pairs keep all claims, what the best pair keeps, and whether ``seeds`` seeds can decide C5.

    `reproduced` and `holding` are numbers of pairs that keep all `claims`; `best` is the first of the `most_pairs` that
    keep most; `smallest_p` is the least that McNemar's test with Holm's adjustment can give.
    """
    claims = list_mapped(margins.edition)
    best = pairs.sort_values(["holding", "reproduced"], ascending=False, kind="stable").iloc[0]
    kept = [claim for claim in claims if best[f"{claim}_holds"]]
    smallest = mcnemar_test([True] * seeds, [False] * seeds) * pairs["variant"].nunique()
    return {
        "claims": list(claims),
        "pairs": len(pairs),
        "reproduced": int((pairs["reproduced"] == len(claims)).sum()),
        "holding": int((pairs["holding"] == len(claims)).sum()),
        "best": {
            **{key: float(best[key]) for key in ("rate_none", "rate_momentum")},
            "variant": best["variant"],
            "holding": kept,
            "reproduced": [claim for claim in kept if best[claim] == "reproduced"],
        },
        "most": int(pairs["holding"].max()),
        "most_pairs": int((pairs["holding"] == pairs["holding"].max()).sum()),
        "seeds": seeds,
        "smallest_p": min(1.0, float(smallest)),
        "can_decide": bool(smallest < 1 - margins.confidence),
    }


def _describe_pair(verdicts: Sequence[Verdict], margins: ClaimsConfig) -> dict[str, Any]:
    names = {verdict.claim: verdict.verdict for verdict in verdicts}
    kept = {f"{verdict.claim}_holds": holds(verdict, margins) for verdict in verdicts}
    return {**names, **kept, "reproduced": list(names.values()).count("reproduced"), "holding": sum(kept.values())}


def _name_variant(row: Mapping[Any, Any]) -> str:
    return f"{row['momentum_where']}-{row['momentum_convention']}" if row["momentum"] else NO_MOMENTUM


def _shared_settings(runs: pd.DataFrame, experiment: str) -> RunConfig:
    keys = [key for key in RunConfig.model_fields if key in runs and key not in _AXES]
    if differing := [key for key in keys if runs[key].nunique(dropna=False) > 1]:
        raise AsgdError(f"experiment '{experiment}': its runs differ in {differing[0]}; keep one value in params.yaml")
    first = runs.iloc[0]
    settings = {key: first[key].item() if hasattr(first[key], "item") else first[key] for key in keys}
    return validate(RunConfig, {k: v for k, v in settings.items() if not pd.isna(v)}, f"experiment '{experiment}'")
