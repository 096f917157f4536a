"""The first edition's reconciliation: which pairs of settings, a rate without and one with momentum, keep its claims.

All pairs are taken at the length of the map's runs, by name: some are the same steps, named twice. The second edition
counts these once, and has the length of training beside (``asgd.analyses.reconciliation``).
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from asgd.analyses.analysis import Analysis
from asgd.analyses.given import Given
from asgd.analyses.phase_map import PhaseMap, list_mapped
from asgd.claims import Verdict, holds
from asgd.settings.claims import ClaimsConfig
from asgd.settings.subjects import Subject
from asgd.tables.statistics import mcnemar_test
from asgd.tables.table import Table

ANALYSIS = Analysis(
    about=Subject(varies=("learning_rate", "num_workers", "momentum")),
    reads=("runs", "evaluations"),
    needs=("claims",),
    edition="first",
    tables={
        "map_pairs": Table(
            rows="one for each rate without momentum, rate with it and kind of momentum; first edition only",
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

PAIR_CLAIMS = list_mapped("first")


def tabulate(given: Given) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """What the tables of runs give."""
    phase_map = PhaseMap.of(given.tables["runs"], given.tables["evaluations"], given.claims, given.experiment)
    pairs = tabulate_pairs(phase_map)
    return {"map_pairs": pairs}, summarize_pairs(pairs, phase_map.runs["seed"].nunique(), phase_map.margins)


def tabulate_pairs(phase_map: PhaseMap) -> pd.DataFrame:
    """The table ``map_pairs``: all pairs of settings."""
    rows = []
    for rate_none in phase_map.rates:
        alone = phase_map.judge_alone(rate_none)
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
