"""Which settings that the paper does not state make it right: rates, kind of momentum and length of training.

A setting is a rate without momentum, a rate and a kind of momentum, and a length: the map's curves hold every shorter
run, and beyond them longer runs count where the study has them. A setting is searched if all arms that the claims read
are there. Two that take the same steps are one: the PyTorch convention at eta is the average at eta / (1 - b).
C3 is read in two ways, and the paper is right where all its claims on the map hold (``asgd.claims.holds``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from asgd.analyses.analysis import Analysis
from asgd.analyses.given import Given
from asgd.analyses.phase_map import AXES, NO_MOMENTUM, VARIANTS, PhaseMap, list_mapped, name_kind
from asgd.claims import Verdict, holds
from asgd.errors import AsgdError
from asgd.settings.analyses import Section, Setting
from asgd.settings.claims import ClaimsConfig
from asgd.settings.subjects import Subject
from asgd.tables.arms import change, config_of
from asgd.tables.lengths import cut_runs
from asgd.tables.table import Table

SECTION = Section(
    "the lengths of training for which settings are searched (`reconciliation.csv`)",
    {
        "epochs": Setting(
            [1.5, 2.0, 3.0, 5.0, 10.0],
            "lengths, passes over the training set; lengths without runs are left out, and C2 needs more than 1",
            above=0,
            ascending=True,
        ),
    },
)
ANALYSIS = Analysis(
    about=Subject(varies=("learning_rate", "num_workers", "momentum")),
    reads=("runs", "evaluations"),
    needs=("claims", "settings"),
    edition="second",
    tables={
        "reconciliation": Table(
            rows="one for each setting that was searched; second edition only",
            key=("epochs", "rate_none", "rate_momentum", "variant"),
            columns={
                "epochs": "length of training, passes over the training set",
                "rate_none": "eta of the runs without momentum",
                "rate_momentum": "eta of the runs with momentum",
                "variant": "kind of momentum: who keeps it and by which convention",
                "same_steps": "the other kind and rate of momentum that take the same steps",
                "rate_average": "eta at which averaged momentum (ema) takes these steps",
                "n": "the fewest runs or pairs of runs that a claim rests on",
                **{
                    claim: f"verdict of {what}"
                    for claim, what in (
                        ("C2", "C2"),
                        ("C3_not_trained", "C3, read as: most runs do not train"),
                        ("C3_dead", "C3, read as: most runs are dead"),
                        ("C4", "C4"),
                        ("C5", "C5"),
                    )
                },
                **{
                    f"{claim}_holds": f"whether {claim} is reproduced, or not rejected and its estimate as claimed"
                    for claim in ("C2", "C3_not_trained", "C3_dead", "C4", "C5")
                },
                "holding_not_trained": "how many of the four hold if C3 is read as not trained",
                "holding_dead": "how many of the four hold if C3 is read as dead",
            },
        ),
    },
    summary="reconciliation_summary",
)

#: The two readings of C3, in words: how most runs at its m end.
READINGS: Mapping[str, str] = {"not_trained": "not trained", "dead": "dead"}


class Momentum(NamedTuple):
    """A kind of momentum and its learning rate."""

    rate: float
    variant: str

    def average(self, momentum: float) -> "Momentum":
        """The average that takes the same steps, up to rounding."""
        where, convention = self.variant.split("-")
        # 0.001 / (1 - 0.9) is a little more than 0.01.
        return self if convention == "ema" else Momentum(float(f"{self.rate / (1 - momentum):.12g}"), f"{where}-ema")


def tabulate(given: Given) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """What the tables of runs give."""
    runs, evaluations = given.tables["runs"], given.tables["evaluations"]
    phase_map = PhaseMap.of(runs, evaluations, given.claims, given.experiment)
    table = reconcile(phase_map, runs, evaluations, given.settings.epochs)
    return {"reconciliation": table}, summarize(table, given.claims)


def reconcile(
    phase_map: PhaseMap, runs: pd.DataFrame, evaluations: pd.DataFrame, lengths: Sequence[float]
) -> pd.DataFrame:
    """The table ``reconciliation``; ``runs`` and ``evaluations`` are the study's, among which are longer runs.

    Raises AsgdError if no setting has all arms at any of the ``lengths``.
    """
    longer = _find_longer(phase_map, runs, evaluations)
    own, rows = phase_map.evaluations["epoch"].max(), []
    for epochs in lengths:
        rows += list(_judge_settings(_cut(phase_map if epochs <= own else longer, epochs)))
    if not rows:
        raise AsgdError("analysis reconciliation: no setting of the map has runs at every m that its claims read")
    return pd.DataFrame(rows)


def summarize(table: pd.DataFrame, margins: ClaimsConfig) -> dict[str, Any]:
    """How many settings were searched, at which lengths, and for each reading of C3 which of them keep most claims.

    `named` counts those that take the same steps twice, `seeds` are the fewest and the most that a setting has, and
    `region` is the extent of the settings that keep `most`.
    """
    claims = list_mapped(margins.edition)
    counts = {epochs: int((table["epochs"] == epochs).sum()) for epochs in sorted(set(map(float, table["epochs"])))}
    return {
        "claims": list(claims),
        "searched": len(table),
        "named": len(table) + int((table["same_steps"] != "").sum()),
        "lengths": [{"epochs": epochs, "settings": count} for epochs, count in counts.items()],
        "seeds": [int(table["n"].min()), int(table["n"].max())],
        "readings": [_summarize_reading(table, reading, margins) for reading in READINGS],
    }


def _find_longer(phase_map: PhaseMap, runs: pd.DataFrame, evaluations: pd.DataFrame) -> PhaseMap:
    """The map of all runs with its settings that are longer than its own."""
    free = {*AXES, "epochs", "steps", "engine", "device", "probes"}
    shared = phase_map.base.model_dump(exclude=free)
    length = phase_map.evaluations["epoch"].max()
    chosen = runs[runs["momentum"].isin([0.0, phase_map.margins.momentum]) & (runs["epochs"] > length)]
    same = [config_of(row).model_dump(exclude=free) == shared for row in chosen.to_dict("records")]
    chosen = chosen[pd.Series(same, index=chosen.index, dtype=bool)]
    return replace(
        phase_map,
        runs=chosen.assign(variant=[name_kind(row) for row in chosen.to_dict("records")]),
        evaluations=evaluations[evaluations["run"].isin(set(chosen["run"]))],
    )


def _cut(phase_map: PhaseMap, epochs: float) -> PhaseMap:
    """The map as if all its runs had ended after ``epochs``."""
    runs, evaluations = cut_runs(phase_map.runs, phase_map.evaluations, epochs)
    return replace(
        phase_map, runs=runs, evaluations=evaluations, base=change(phase_map.base, epochs=epochs, steps=None)
    )


def _judge_settings(phase_map: PhaseMap) -> Iterator[dict[str, Any]]:
    """A row for each setting at the length of the map's runs."""
    margins, complete = phase_map.margins, _list_complete(phase_map)
    kinds = _name_once([kind for kind in complete if kind.variant != NO_MOMENTUM], margins.momentum)
    for rate_none in (rate for rate, variant in complete if variant == NO_MOMENTUM):
        alone = phase_map.judge_alone(rate_none)
        pairs = {rate: phase_map.judge_pair(rate_none, rate) for rate in sorted({kind.rate for kind in kinds})}
        for kind, other in kinds.items():
            verdicts = [*alone, *pairs[kind.rate][kind.variant]]
            yield {
                "epochs": phase_map.base.epochs,
                "rate_none": rate_none,
                "rate_momentum": kind.rate,
                "variant": kind.variant,
                "same_steps": f"{other.variant} at {other.rate:g}" if other else "",
                "rate_average": kind.average(margins.momentum).rate,
                "n": min(verdict.n for verdict in verdicts),
                **_describe(verdicts, margins),
            }


def _list_complete(phase_map: PhaseMap) -> list[Momentum]:
    """The kinds of momentum, and none, with the rates at which they have runs at every m that the claims read."""
    margins = phase_map.margins
    shared = {*margins.slow_workers, margins.fail_workers}
    found = phase_map.runs.groupby(["learning_rate", "variant"])["num_workers"].agg(set)
    return [
        Momentum(float(rate), variant)
        for variant in VARIANTS
        for rate in phase_map.rates
        if found.get((rate, variant), set()) >= (shared | ({*margins.gap_workers} if variant == NO_MOMENTUM else set()))
    ]


def _name_once(kinds: Sequence[Momentum], momentum: float) -> dict[Momentum, Momentum | None]:
    """Each kind that takes steps of its own, with the other that takes the same; the average stands for both."""
    averages = {kind: kind.average(momentum) for kind in kinds}
    others = {average: kind for kind, average in averages.items() if average != kind}
    return {kind: others.get(kind) for kind, average in averages.items() if average == kind or average not in kinds}


def _describe(verdicts: Sequence[Verdict], margins: ClaimsConfig) -> dict[str, Any]:
    names: dict[str, str] = {}
    kept: dict[str, bool] = {}
    for verdict in verdicts:
        if verdict.claim == "C3":
            for reading in READINGS:
                names[f"C3_{reading}"], kept[f"C3_{reading}_holds"] = _read_failure(verdict, reading)
        else:
            names[verdict.claim], kept[f"{verdict.claim}_holds"] = verdict.verdict, holds(verdict, margins)
    others = sum(value for name, value in kept.items() if not name.startswith("C3_"))
    return {**names, **kept, **{f"holding_{reading}": others + kept[f"C3_{reading}_holds"] for reading in READINGS}}


def _read_failure(verdict: Verdict, reading: str) -> tuple[str, bool]:
    """The verdict on C3 if it says no more than ``reading``, and whether it holds: most runs end so."""
    outcomes = verdict.details["outcomes"]
    ended = outcomes["dead"] if reading == "dead" else verdict.n - outcomes["trained"]
    interval = verdict.details["dead_interval"] if reading == "dead" else verdict.interval
    low, high = interval or (0.0, 1.0)
    name = "reproduced" if low > 0.5 else "not reproduced" if high < 0.5 else "inconclusive"
    return name, 2 * ended > verdict.n


def _summarize_reading(table: pd.DataFrame, reading: str, margins: ClaimsConfig) -> dict[str, Any]:
    claims = [f"C3_{reading}" if claim == "C3" else claim for claim in list_mapped(margins.edition)]
    holding = table[f"holding_{reading}"]
    best = table[holding == holding.max()]
    extent = {key: [float(best[key].min()), float(best[key].max())] for key in ("epochs", "rate_none", "rate_average")}
    return {
        "reading": READINGS[reading],
        "holding": int((holding == len(claims)).sum()),
        "reproduced": int((table[claims] == "reproduced").all(axis="columns").sum()),
        "most": int(holding.max()),
        "most_settings": len(best),
        "region": {**extent, "variants": sorted(set(best["variant"]))},
    }
