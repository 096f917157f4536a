"""What the study found beyond the paper's figures, in sentences for the report."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from asgd.claims import Verdict
from asgd.files import read_json
from asgd.report.latex import escape, list_words
from asgd.simulator.outcome import DEAD, NON_FINITE, PLATEAU, TRAINED
from asgd.tables.experiments import experiment_names, select_experiment, split_readings
from asgd.tables.files import read_table

NAIVE, FUSED = "naive", "fused-vector"  #: engines of the benchmark


@dataclass(frozen=True)
class Findings:
    """The results of the further analyses; what a study lacks is empty."""

    sentences: Mapping[str, str]  #: by the keys of the JSON files, as in `death`
    sharpness: pd.DataFrame | None = None  #: of ``asgd.analyses.sharpness``
    benchmark: Mapping[str, Any] | None = None  #: the numbers of ``asgd bench``

    @staticmethod
    def read(
        summaries: Iterable[str | Path], sharpness: str | Path | None = None, benchmark: str | Path | None = None
    ) -> "Findings":
        """Read the JSON files ``summaries`` and, where given, the table and the benchmark."""
        found = [(key, value) for path in summaries for key, value in read_json(path).items()]
        sentences = {key: value for key, value in found if isinstance(value, str)}
        table = read_table(sharpness, ("num_workers", "epoch", "sharpness", "stability")) if sharpness else None
        return Findings(sentences, table, read_json(benchmark) if benchmark else None)


def collect_findings(
    findings: Findings, runs: pd.DataFrame, verdicts: Iterable[Verdict], total_steps: float
) -> dict[str, str]:
    """The macros of these findings, as LaTeX; empty where the study has nothing to say."""
    regulariser = [verdict.reason for verdict in verdicts if verdict.id == "C6"]
    return {
        "readingsSummary": summarize_readings(runs),
        "deathSummary": _sentence(findings.sentences.get("death", "")),
        "deathSurvey": _sentence(findings.sentences.get("deaths", "")),
        "deathRanks": _sentence(findings.sentences.get("ranks", "")),
        "sharpnessSummary": "" if findings.sharpness is None else summarize_sharpness(findings.sharpness),
        "mapSummary": _sentence(findings.sentences.get("reconciliation", "")),
        "mapPairs": _sentence(findings.sentences.get("pairs", "")),
        "regulariserSummary": _sentence("; ".join(regulariser)),
        "naiveCost": _sentence(describe_naive_cost(findings.benchmark, total_steps) if findings.benchmark else ""),
    }


def summarize_readings(runs: pd.DataFrame) -> str:
    """For each reading of the network: how many runs failed and how; empty without experiment ``readings``."""
    if "readings" not in experiment_names(runs):
        return ""
    parts = []
    for name, outcomes in (
        (name, same["outcome"]) for name, same in split_readings(select_experiment(runs, "readings")).items()
    ):
        counts = [int((outcomes == outcome).sum()) for outcome in (DEAD, PLATEAU, NON_FINITE)]
        failed = f"{(outcomes != TRAINED).sum()} of {len(outcomes)} runs failed"
        ways = f"{counts[0]} dead, {counts[1]} at a plateau, {counts[2]} overflowed"
        parts.append(f"with {name} {failed} ({ways})")
    return _sentence("; ".join(parts))


def summarize_sharpness(table: pd.DataFrame) -> str:
    """For each m the median sharpness at the last measurement that any run has, and its share of the stable limit."""
    alive = table[table["sharpness"] > 0]
    last = alive[alive["epoch"] == alive["epoch"].max()]
    parts = [
        f"{group['sharpness'].median():.2g} at m = {m}, {group['stability'].median():.2g} of the limit"
        for m, group in last.groupby("num_workers")
    ]
    return f"After epoch {last['epoch'].max():g} the median sharpness is {list_words(parts)}." if parts else ""


def describe_naive_cost(benchmark: Mapping[str, Any], total_steps: float) -> str:
    """What the steps alone take the fused engine and would take the naive simulator, on the benchmark's idle core."""
    fused, naive = (estimate_hours(benchmark, engine, total_steps) for engine in (FUSED, NAIVE))
    return (
        "at the speeds that asgd bench measured side by side on one idle core, the steps alone take "
        f"{format_hours(fused)} core hours and would take the naive simulator {format_hours(naive)}, "
        f"at {3.6e6 * naive / total_steps:.1f} ms a step"
    )


def estimate_hours(benchmark: Mapping[str, Any], engine: str, total_steps: float) -> float:
    """Core hours that ``total_steps`` take ``engine``: at the mean time of a step over all that was measured."""
    times = [row["microseconds"] for row in benchmark["steps"] if row["engine"] == engine]
    return float(total_steps * sum(times) / len(times) / 3.6e9)


def format_hours(hours: float) -> str:
    """Hours with two significant digits."""
    return f"{hours:.2g}" if hours < 10 else f"{hours:.0f}"


def _sentence(text: str) -> str:
    return escape(text[0].upper() + text[1:]) + "." if text else ""
