"""What the study found beyond the claims, read and summed up as numbers and names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from asgd.claims import Verdicts, claims_from_json
from asgd.files import read_json
from asgd.simulator.outcome import OUTCOMES, TRAINED
from asgd.tables.experiments import select_experiment, split_readings
from asgd.tables.files import read_table

NAIVE, FUSED = "naive", "fused-vector"  #: engines of the benchmark


@dataclass(frozen=True)
class Findings:
    """The results of the further analyses; what a study lacks is empty."""

    summaries: Mapping[str, Any] = field(default_factory=dict)  #: by analysis, as in `death` of death_summary.json
    sharpness: pd.DataFrame | None = None  #: of ``asgd.analyses.sharpness``
    benchmark: Mapping[str, Any] | None = None  #: the numbers of ``asgd bench``
    earlier: Verdicts | None = None  #: of the study that the preset names as `earlier`

    @staticmethod
    def read(
        summaries: Iterable[str | Path] = (),
        sharpness: str | Path | None = None,
        benchmark: str | Path | None = None,
        earlier: str | Path | None = None,
    ) -> "Findings":
        """Read the JSON files ``summaries`` and, where given, the table, the benchmark and the verdicts."""
        found = {Path(path).stem.removesuffix("_summary"): read_json(path) for path in summaries}
        table = read_table(sharpness, ("num_workers", "epoch", "sharpness", "stability")) if sharpness else None
        return Findings(found, table, read_json(benchmark) if benchmark else None, read_earlier(earlier))


def read_earlier(path: str | Path | None) -> Verdicts | None:
    """The verdicts of an earlier study, of its claims.json; None without one."""
    return claims_from_json(read_json(path), str(path)) if path else None


def summarize_readings(runs: pd.DataFrame, experiment: str | None) -> list[dict[str, Any]]:
    """For each reading of the network, the literal one first: its label, how many runs failed and how."""
    found = []
    for label, same in split_readings(select_experiment(runs, experiment)).items() if experiment else ():
        counts = {outcome: int((same["outcome"] == outcome).sum()) for outcome in OUTCOMES}
        found.append({"label": label, "runs": len(same), "failed": len(same) - counts[TRAINED], **counts})
    return found


def summarize_sharpness(table: pd.DataFrame | None) -> dict[str, Any] | None:
    """For each m the median sharpness at the last measurement that any run has, and its share of the stable limit."""
    alive = None if table is None else table[table["sharpness"] > 0]
    if alive is None or alive.empty:
        return None
    last = alive[alive["epoch"] == alive["epoch"].max()]
    workers = [
        {"num_workers": int(m), **{key: float(group[key].median()) for key in ("sharpness", "stability")}}
        for m, group in last.groupby("num_workers")
    ]
    return {"epoch": float(last["epoch"].max()), "workers": workers}


def estimate_cost(
    benchmark: Mapping[str, Any] | None, environment: Mapping[str, Any], total_steps: int
) -> dict[str, float] | None:
    """What gradients alone take the fused engine and would take the naive simulator, on the benchmark's core.

    `gradients`: how many of the study's `total` are of the benchmark's network and mini-batches; only these count.
    ``environment`` is what ``asgd.tables.environment`` describes; where it counts no gradients, each is a step.
    """
    total = environment.get("total_gradients", total_steps)
    gradients = environment.get("benchmarked_gradients", total)
    if benchmark is None or not gradients:
        return None
    fused, naive = (estimate_hours(benchmark, engine, gradients) for engine in (FUSED, NAIVE))
    return {
        **{"gradients": gradients, "total": total, "fused_hours": fused, "naive_hours": naive},
        "naive_milliseconds": 3.6e6 * naive / gradients,
    }


def estimate_hours(benchmark: Mapping[str, Any], engine: str, total_steps: float) -> float:
    """Core hours that ``total_steps`` take ``engine``, a gradient each: at the mean time over all that was measured."""
    times = [row["microseconds"] for row in benchmark["steps"] if row["engine"] == engine]
    return float(total_steps * sum(times) / len(times) / 3.6e9)
