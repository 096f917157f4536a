"""Every number and name that the report's templates fill in: a plain mapping, as JSON has it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from asgd.analyses.stability import find_threshold
from asgd.claims import Verdicts
from asgd.report.findings import (
    Experiments,
    Findings,
    estimate_cost,
    summarize_readings,
    summarize_sharpness,
)
from asgd.report.page import describe_claims
from asgd.report.tables import list_accuracies
from asgd.settings.claims import ClaimsConfig
from asgd.settings.study import Params, Preset, expand_experiments
from asgd.settings.subjects import Subject
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.outcome import MEANINGS, OUTCOMES, TRAINED_MARGIN
from asgd.tables.experiments import (
    MOMENTUM_KEYS,
    label_arm,
    list_arms,
    naming_keys,
    select_experiment,
)

#: The experiments of the paper's own figures.
DELAY = Subject(varies=("num_workers",))
MOMENTUM = Subject(varies=("momentum",), may_vary=("num_workers",))
DROPOUT = Subject(varies=("dropout",))

#: Settings whose values the report lists.
_LISTED = (
    *("num_workers", "batch_size", "epochs", "learning_rate", "momentum", "output_relu", "pools"),
    *("evaluations_per_epoch", "train_eval_images"),
)


def collect_numbers(
    params: Params,
    runs: pd.DataFrame,
    arms: pd.DataFrame,
    verdicts: Verdicts,
    environment: Mapping[str, Any],
    findings: Findings | None = None,
) -> dict[str, Any]:
    """All that the templates of LaTeX know, from the tidy tables, the verdicts and the environment.

    ``environment`` is what ``collect_environment`` returns. ``findings``: those of the further analyses.
    """
    preset, findings = params.selected, findings or Findings()
    experiments = expand_experiments(preset)
    total_steps = int(runs["last_step"].sum())
    return {
        "preset": {"name": params.preset, "description": preset.description or params.preset},
        "demonstration": preset.demonstration,
        "data": describe_data(preset, environment),
        "seeds": sorted(int(seed) for seed in runs["seed"].unique()),
        "n_runs": len(runs),
        "n_arms": len(arms),
        "runs_an_arm": {"least": int(arms["n_runs"].min()), "most": int(arms["n_runs"].max())},
        "total_steps": total_steps,
        "core_hours": float(runs["wall_seconds"].sum() / 3600),
        "settings": {key: _list_values(arms, key) for key in _LISTED},
        "momentum_kinds": _list_kinds(arms),
        "base_rate": params.base.learning_rate,
        "trained_accuracy": 1 / NUM_CLASSES + TRAINED_MARGIN,
        "outcome_meanings": dict(MEANINGS),
        "outcomes": {outcome: int((runs["outcome"] == outcome).sum()) for outcome in OUTCOMES},
        "stability": _describe_limits(arms, params.claims),
        "margins": params.claims.model_dump(mode="json"),
        **describe_claims(verdicts),
        "delay": _list_arms(arms, experiments, DELAY),
        "momentum": _list_momentum(arms, experiments),
        "dropout": _list_arms(arms, experiments, DROPOUT),
        "readings": summarize_readings(runs, experiments),
        "sharpness": summarize_sharpness(findings.sharpness),
        "summaries": dict(findings.summaries),
        "cost": estimate_cost(findings.benchmark, total_steps),
        "accuracies": list_accuracies(arms),
        "environment": dict(environment),
    }


def describe_data(preset: Preset, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Where the images come from; `recorded` is what the runs say of them."""
    data = preset.data
    file = (data.path or "").rstrip("/").split("/")[-1]
    recorded = environment.get("data_description", "")
    return {"recorded": recorded, "file": file, **data.model_dump(include={"source", "num_train", "num_test"})}


def _list_values(arms: pd.DataFrame, key: str) -> list[Any]:
    return sorted(arms[key].dropna().unique().tolist()) if key in arms else []


def _list_kinds(arms: pd.DataFrame) -> list[str]:
    return sorted({label_arm(arm, MOMENTUM_KEYS[1:]) for arm in list_arms(arms[arms["momentum"] > 0])})


def _describe_limits(arms: pd.DataFrame, margins: ClaimsConfig) -> dict[str, Any]:
    """The largest stable eta * lambda of plain delayed gradient descent for each m, and what momentum makes of it.

    `gains`: the factor by which averaged momentum of each kind multiplies the limit at the largest m, at the same
    effective learning rate.
    """
    workers = sorted(int(m) for m in arms["num_workers"].unique())
    most = find_threshold(workers[-1])
    gains = {
        where: find_threshold(workers[-1], margins.momentum, where, "ema") / most for where in ("server", "worker")
    }
    limits = [{"num_workers": m, "limit": find_threshold(m)} for m in workers]
    return {"limits": limits, "largest": workers[-1], "gains": gains}


def _list_arms(arms: pd.DataFrame, experiments: Experiments, subject: Subject) -> list[dict[str, Any]]:
    """The arms of the experiment that is about ``subject``: label and mean final accuracy; none without one."""
    name = subject.find(experiments)
    if name is None:
        return []
    chosen = select_experiment(arms, name)
    return _label(chosen, naming_keys(chosen))


def _list_momentum(arms: pd.DataFrame, experiments: Experiments) -> list[dict[str, Any]]:
    """The kinds of momentum at the smallest and at the largest m."""
    name = MOMENTUM.find(experiments)
    if name is None:
        return []
    chosen = select_experiment(arms, name)
    keys = naming_keys(chosen, without="num_workers")
    ends = dict.fromkeys([int(chosen["num_workers"].min()), int(chosen["num_workers"].max())])
    return [{"num_workers": m, "arms": _label(chosen[chosen["num_workers"] == m], keys)} for m in ends]


def _label(arms: pd.DataFrame, keys: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"label": label_arm(arm, keys), "accuracy": float(arm["final_test_accuracy_mean"])} for arm in list_arms(arms)
    ]
