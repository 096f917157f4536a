"""E5: full-batch asynchronous descent settles at the edge of stability with delay."""

from typing import Any

import numpy as np
import pandas as pd

from asgd.claims.claim import Claim
from asgd.claims.verdict import Verdict, VerdictName
from asgd.tables.arms import Evidence

CLAIM = Claim(
    id="E5",
    statement="full-batch asynchronous descent settles at the edge of stability with delay",
    rule="""At every m the learning rate is chosen such that the limit of stability is the same sharpness. Full-batch
        runs start with undelayed descent at their own rate, for the time (rate times steps) after which descent at a
        small rate has reached half of that limit. Judged by sharpness over limit, in the later half of the run (median
        over measurements, then over seeds), at {{ say.values("m", margins.second.statements.edge_workers) }}.
        Supported: it lies inside {{ margins.second.statements.edge_range | between("g") }} at each m. Contradicted: at
        some m it lies outside for every seed, on the same side.""",
    effect="sharpness over its limit in the later half, at the m where it is furthest from 1",
    reads=("edge",),
    reason="""
        {%- if not found.cells -%}
            no sharpness was measured {%- if found.absent %} at {{ say.values("m", found.absent) }} {%- endif -%}
        {%- else -%}
            {%- for cell in found.cells -%}
                m = {{ cell.num_workers }}: {{ cell.median | num(".2f") }} times the limit (seeds
                {{ [cell.low, cell.high] | between(".2f") }}){{ "" if loop.last else "; " }}
            {%- endfor -%}
        {%- endif %}""",
    figure="edge",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """The ratio at each m."""
    margins = evidence.margins.second.statements
    table = evidence.tables.get(CLAIM.reads[0])
    present = set() if table is None else set(table["num_workers"])
    absent = [m for m in margins.edge_workers if m not in present]
    if table is None or absent:
        return [Verdict(claim=CLAIM.id, verdict="not applicable", details={"absent": absent if present else []})]
    cells = [_describe(m, settle(table[table["num_workers"] == m])) for m in margins.edge_workers]
    decisive = max(cells, key=lambda cell: abs(np.log(cell["median"])) if cell["median"] > 0 else np.inf)
    return [
        Verdict(
            claim=CLAIM.id,
            verdict=_decide(cells, *margins.edge_range),
            effect=decisive["median"],
            unit="of the limit",
            n=min(cell["n"] for cell in cells),
            details={"cells": cells, "decisive": decisive},
        )
    ]


def settle(table: pd.DataFrame) -> "pd.Series[float]":
    """The median sharpness over the limit in the later half of each seed's run; `table` is of one m.

    The later half of what comes after the start. A run that overflowed has infinite sharpness from there on.
    """
    late = table[table["step"] >= table.groupby("seed")["step"].transform(lambda step: (step.min() + step.max()) / 2)]
    return late["stability"].fillna(np.inf).groupby(late["seed"]).median()


def _describe(num_workers: int, ratios: "pd.Series[float]") -> dict[str, Any]:
    found = {"median": ratios.median(), "low": ratios.min(), "high": ratios.max()}
    return {"num_workers": num_workers, **{key: float(value) for key, value in found.items()}, "n": len(ratios)}


def _decide(cells: list[dict[str, Any]], low: float, high: float) -> VerdictName:
    if all(low <= cell["median"] <= high for cell in cells):
        return "supported"
    outside = any(cell["high"] < low or cell["low"] > high for cell in cells)
    return "contradicted" if outside else "inconclusive"
