"""Every number and generated sentence of the report's text, as LaTeX macros."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from asgd.analyses.stability import find_threshold
from asgd.claims import Verdict
from asgd.report.latex import escape, format_count, list_words
from asgd.settings.claims import ClaimsConfig
from asgd.settings.parameters import label_settings
from asgd.settings.study import Params, Preset
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.outcome import TRAINED_MARGIN
from asgd.tables.experiments import experiment_names, list_arms, naming_keys, select_experiment

WHERE = ("server", "worker")
_DATA = {
    "cifar10": "CIFAR-10 (the official archive)",
    "image_folder": "image files",
    "synthetic": "synthetic images of ten classes",
}


def collect_macros(
    params: Params,
    runs: pd.DataFrame,
    arms: pd.DataFrame,
    verdicts: Sequence[Verdict],
    environment: Mapping[str, Any],
) -> dict[str, str]:
    """All macros of ``report.tex`` by name, their values as LaTeX."""
    preset = params.selected
    return {
        "presetName": escape(params.preset),
        "presetDescription": escape(preset.description or params.preset),
        "dataDescription": escape(describe_data(preset, environment)),
        "seedList": list_words(sorted(runs["seed"].unique())),
        "runCount": format_count(len(runs)),
        "armCount": format_count(len(arms)),
        "totalSteps": format_count(runs["last_step"].sum()),
        "batchSize": _values(arms, "batch_size"),
        "epochCount": _values(arms, "epochs"),
        "learningRate": _values(arms, "learning_rate"),
        "baseRate": f"{params.base.learning_rate:g}",
        "evaluationsPerEpoch": _values(arms, "evaluations_per_epoch"),
        "trainEvalImages": _values(arms, "train_eval_images"),
        "trainedAccuracy": f"{100 / NUM_CLASSES + 100 * TRAINED_MARGIN:g}",
        "workerList": _values(arms, "num_workers"),
        "stabilityLimits": _list_limits(arms),
        **_compare_limits(arms, params.claims),
        **_margins(params.claims),
        "verdictSummary": _summarize_verdicts(verdicts),
        "outcomeSummary": _summarize_outcomes(runs),
        "delaySummary": _summarize_arms(arms, "delay"),
        "momentumSummary": _summarize_momentum(arms),
        "dropoutSummary": _summarize_arms(arms, "dropout"),
    }


def describe_data(preset: Preset, environment: Mapping[str, Any]) -> str:
    """Where the images come from, in words."""
    described = environment.get("data_description") or _DATA[preset.data.source]
    if preset.data.source == "synthetic":
        return f"{described}: {preset.data.num_train} for training, {preset.data.num_test} for testing"
    name = (preset.data.path or "").rstrip("/").split("/")[-1]
    return f"{described} ({name})" if name and name not in described else str(described)


def format_percent(value: float) -> str:
    """An accuracy in [0, 1] as per cent with one decimal."""
    return f"{100 * value:.1f}"


def _values(arms: pd.DataFrame, key: str) -> str:
    return list_words([value if value % 1 else int(value) for value in sorted(arms[key].dropna().unique())])


def _margins(margins: ClaimsConfig) -> dict[str, str]:
    low, high = margins.gap_points
    return {
        "confidenceLevel": f"{100 * margins.confidence:g}",
        "slowWorkers": list_words(margins.slow_workers),
        "gapFirst": str(margins.gap_workers[0]),
        "gapSecond": str(margins.gap_workers[1]),
        "gapLow": f"{low:g}",
        "gapHigh": f"{high:g}",
        "gapShare": f"{100 * margins.gap_share:g}",
        "gapShareOutside": f"{100 - 100 * margins.gap_share:g}",
        "failWorkers": str(margins.fail_workers),
        "someFailWorkers": str(margins.some_fail_workers),
        "equivalencePoints": f"{margins.equivalence_points:g}",
        "claimsMomentum": f"{margins.momentum:g}",
    }


def _list_limits(arms: pd.DataFrame) -> str:
    """The largest stable eta * lambda of plain delayed gradient descent for each m (Levin and May, 1976)."""
    limits = {m: 2 * math.sin(math.pi / (2 * (2 * (m - 1) + 1))) for m in sorted(arms["num_workers"].unique())}
    return list_words([f"{limit:.3g} (m = {m})" for m, limit in limits.items()])


def _compare_limits(arms: pd.DataFrame, margins: ClaimsConfig) -> dict[str, str]:
    """What momentum of each kind makes of the limit at the largest m, at the same effective learning rate."""
    m = int(arms["num_workers"].max())
    gains = {where: find_threshold(m, margins.momentum, where, "ema") / find_threshold(m) for where in WHERE}
    return {"largestWorkers": str(m), **{f"{where}Gain": f"{gain:.2f}" for where, gain in gains.items()}}


def _summarize_verdicts(verdicts: Sequence[Verdict]) -> str:
    """One sentence a kind of verdict: the claims that it fell on."""
    by_verdict: dict[str, list[str]] = {}
    for verdict in verdicts:
        by_verdict.setdefault(verdict.verdict, []).append(verdict.id)
    found = [f"{name}: {', '.join(ids)}" for name, ids in by_verdict.items()]
    return escape("; ".join(found)) + "." if found else "None of the claims was judged."


def _summarize_outcomes(runs: pd.DataFrame) -> str:
    count = runs["outcome"].value_counts()
    words = {"trained": "trained", "plateau": "stayed at a plateau", "dead": "died", "non_finite": "overflowed"}
    parts = [f"{format_count(int(count.get(outcome, 0)))} {word}" for outcome, word in words.items()]
    return f"Of {format_count(len(runs))} runs, {', '.join(parts[:-1])} and {parts[-1]}."


def _summarize_arms(arms: pd.DataFrame, experiment: str) -> str:
    """Mean final accuracies of an experiment's arms in one sentence; empty without the experiment."""
    if experiment not in experiment_names(arms):
        return ""
    chosen = select_experiment(arms, experiment)
    return f"The mean final test accuracy is {_list_accuracies(chosen, naming_keys(chosen))}."


def _summarize_momentum(arms: pd.DataFrame) -> str:
    """The mean final accuracies of the momentum variants at the smallest and at the largest m."""
    if "momentum" not in experiment_names(arms):
        return ""
    chosen = select_experiment(arms, "momentum")
    keys = naming_keys(chosen, without="num_workers")
    ends = dict.fromkeys([chosen["num_workers"].min(), chosen["num_workers"].max()])
    parts = [f"at $m = {m}$ it is {_list_accuracies(chosen[chosen['num_workers'] == m], keys)}" for m in ends]
    return f"The mean final test accuracy: {'; '.join(parts)}."


def _list_accuracies(arms: pd.DataFrame, keys: list[str]) -> str:
    named = [
        f"{format_percent(arm['final_test_accuracy_mean'])}\N{NO-BREAK SPACE}%"
        + (f" ({label_settings(arm, keys)})" if keys else "")
        for arm in list_arms(arms)
    ]
    return list_words(named)
