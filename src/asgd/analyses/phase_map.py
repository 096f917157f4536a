"""The map: how runs end over the settings that the paper does not state, and which claims hold at each learning rate.

Its experiment varies the learning rate, m and the kind of momentum. At every rate all claims are judged by the
fixed rules (``asgd.claims``) on the map's own seeds. *Pairs* of settings, a rate without momentum and a rate and a
convention with it, are judged by other analyses, because the paper may well have chosen them apart. Each claim says
which of the two decides it (``Claim.mapped``).

The map has few seeds, so a rule often cannot decide. Beside the verdict stands therefore whether a claim *holds*: it is
reproduced, or it is not rejected and its estimate lies where the claim says (`agrees`, beside each rule).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
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
                "n_runs": "number of runs, one per seed",
                "trained": "share of the runs that trained",
                "plateau": "share of the runs that were alive, at chance, at the end",
                "dead": "share of the runs that died",
                "non_finite": "share of the runs that overflowed",
                "majority": "the most frequent outcome",
                "accuracy_mean": "mean over runs of the final test accuracy, in [0, 1]",
                "accuracy_std": "its standard deviation (n - 1); empty for one run",
                "threshold": "largest learning rate times curvature that is stable by linear theory",
            },
        ),
        "map_claims": Table(
            rows="one for each learning rate and claim",
            key=("learning_rate", "claim"),
            columns={
                "learning_rate": "eta",
                "claim": "id of the claim, with its variant, as in C4-server-ema",
                "verdict": "verdict by the claim's rule",
                "holds": "whether it is reproduced, or not rejected and its estimate as claimed; some claims only",
                "effect": "the estimate that the rule judges",
                "unit": "of the effect and its interval",
                "low": "lower limit of the interval of the effect",
                "high": "upper limit of it",
                "p_value": "one-sided; small values support the claim",
                "n": "runs or pairs of runs",
            },
        ),
    },
)

NO_MOMENTUM = "none"
VARIANTS = (NO_MOMENTUM, *map(str, CONVENTIONS))

#: What varies over the map.
AXES = ("learning_rate", "num_workers", "momentum", "momentum_where", "momentum_convention", "seed")

Judged = Mapping[float, Sequence[Verdict]]


def list_mapped(edition: EditionName, decided_by: Sequence[str] = ("rate", "pair")) -> tuple[str, ...]:
    """The ids of the claims that a rate without momentum, or a pair of settings, decides."""
    return tuple(name for name, claim in find_claims(edition).items() if claim.mapped in decided_by)


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

        The same rate of the ``margins`` is left out: here every rate is judged. Raises AsgdError without such runs, or
        if they differ in more than rate, m, momentum and seed.
        """
        chosen = runs[[experiment in str(names).split(";") for names in runs["experiments"]]]
        chosen = chosen[chosen["momentum"].isin([0.0, margins.momentum])]
        if chosen.empty:
            raise AsgdError(f"table runs: has no runs of experiment '{experiment}'; add it to params.yaml")
        chosen = chosen.assign(variant=[name_kind(row) for row in chosen.to_dict("records")])
        evaluated = evaluations[evaluations["run"].isin(set(chosen["run"]))]
        second = margins.second.model_copy(update={"same_rate": None})
        margins = margins.model_copy(update={"second": second})
        return PhaseMap(chosen, evaluated, margins, _shared_settings(chosen, experiment))

    @property
    def rates(self) -> list[float]:
        """All learning rates, ascending."""
        return sorted(float(rate) for rate in self.runs["learning_rate"].unique())

    @cached_property
    def evidence(self) -> Evidence:
        """All of it, at the rate of the base settings."""
        return Evidence.of(self.runs, self.evaluations, self.margins, self.base)

    def judge_rates(self) -> dict[float, list[Verdict]]:
        """All claims at every learning rate, with and without momentum at the same nominal rate."""
        found = {}
        for rate in self.rates:
            runs = self.runs[self.runs["learning_rate"] == rate]
            base = change(self.base, learning_rate=rate)
            found[rate] = judge_claims(runs, self.evaluations, self.margins, base).verdicts
        return found

    def judge_alone(self, rate_none: float) -> list[Verdict]:
        """The claims that a rate without momentum decides."""
        return self._judge(["rate"], rate_none, rate_none)

    def judge_pair(self, rate_none: float, rate_momentum: float) -> dict[str, list[Verdict]]:
        """The claims that a pair decides, by convention that has runs; runs with momentum have a rate of their own."""
        verdicts = self._judge(["pair"], rate_none, rate_momentum)
        with_it = set(self.runs["variant"][self.runs["learning_rate"] == rate_momentum])
        present = [variant for variant in VARIANTS if variant in with_it - {NO_MOMENTUM}]
        return {variant: [verdict for verdict in verdicts if verdict.variant == variant] for variant in present}

    def _judge(self, decided_by: Sequence[str], rate_none: float, rate_momentum: float) -> list[Verdict]:
        base, with_momentum = (change(self.base, learning_rate=rate) for rate in (rate_none, rate_momentum))
        evidence = replace(self.evidence, base=base, with_momentum=with_momentum)
        claims = list_mapped(self.margins.edition, decided_by)
        return [verdict for claim in claims for verdict in judge_claim(claim, evidence)]


def tabulate(given: Given) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """What the tables of runs give."""
    tables = given.tables["runs"], given.tables["evaluations"]
    return analyse_map(PhaseMap.of(*tables, given.claims, given.experiment))


def analyse_map(phase_map: PhaseMap) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables map and map_claims, by name."""
    claims = tabulate_claims(phase_map.judge_rates(), phase_map.margins)
    return {"map": summarize_map(phase_map), "map_claims": claims}, {}


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


def name_kind(row: Mapping[Any, Any]) -> str:
    """Which of ``VARIANTS`` a row of the table runs is."""
    return f"{row['momentum_where']}-{row['momentum_convention']}" if row["momentum"] else NO_MOMENTUM


def _shared_settings(runs: pd.DataFrame, experiment: str) -> RunConfig:
    # Which engine made them does not matter here, and a rule may ask for arms that it cannot make.
    keys = [key for key in RunConfig.model_fields if key in runs and key not in {*AXES, "engine", "device"}]
    if differing := [key for key in keys if runs[key].nunique(dropna=False) > 1]:
        raise AsgdError(f"experiment '{experiment}': its runs differ in {differing[0]}; keep one value in params.yaml")
    first = runs.iloc[0]
    settings = {key: first[key].item() if hasattr(first[key], "item") else first[key] for key in keys}
    return validate(RunConfig, {k: v for k, v in settings.items() if not pd.isna(v)}, f"experiment '{experiment}'")
