"""Every number and name that the report's templates fill in: a plain mapping, as JSON has it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from asgd.analyses.stability import find_threshold
from asgd.claims import Verdicts
from asgd.figures.plot import list_plots
from asgd.report.findings import (
    Findings,
    estimate_cost,
    summarize_readings,
    summarize_sharpness,
)
from asgd.report.page import describe_claims
from asgd.report.tables import list_accuracies
from asgd.settings.claims import ClaimsConfig
from asgd.settings.parameters import kinds_of, label_settings
from asgd.settings.study import Params, Preset
from asgd.settings.subjects import find_subject, find_varying
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.outcome import OUTCOMES, TRAINED_MARGIN
from asgd.tables.experiments import has_batches_of, list_arms, naming_keys, select_first_kind
from asgd.tables.outcomes import MEANINGS
from asgd.tables.samples import select_own_arms
from asgd.tables.table import Tables

#: Settings whose values the report lists, and those of which it names the base's.
_LISTED = ("num_workers", "epochs", "learning_rate", "momentum", "output_relu", "pools")
_NAMED = ("learning_rate", "batch_size", "evaluations_per_epoch", "train_eval_images")


def collect_numbers(
    params: Params,
    runs: pd.DataFrame,
    arms: pd.DataFrame,
    verdicts: Verdicts,
    environment: Mapping[str, Any],
    figures: Sequence[str],
    findings: Findings | None = None,
) -> dict[str, Any]:
    """All that the templates of LaTeX know, from the tidy tables, the verdicts and the environment.

    ``environment`` is what ``describe_records`` returns. ``figures``: names of those that the study has.
    ``findings``: those of the further analyses.
    """
    preset, findings = params.selected, findings or Findings()
    shown, papers = _find_experiments(preset), _select_papers(params, arms)
    tables = {"runs": runs, "arms": arms}
    total_steps = int(runs["last_step"].sum())
    return {
        "preset": {"name": params.preset, "description": preset.description or params.preset},
        "demonstration": preset.demonstration,
        "figures": list(figures),
        "data": describe_data(preset, environment),
        "seeds": sorted(int(seed) for seed in runs["seed"].unique()),
        "n_runs": len(runs),
        "n_arms": len(arms),
        "runs_an_arm": {"least": int(arms["n_runs"].min()), "most": int(arms["n_runs"].max())},
        "total_steps": total_steps,
        "core_hours": float(runs["wall_seconds"].sum() / 3600),
        "base": params.base.model_dump(include={*_NAMED}),
        "settings": {key: _list_values(papers, key) for key in _LISTED},
        "momentum_kinds": _list_kinds(arms),
        "trained_accuracy": 1 / NUM_CLASSES + TRAINED_MARGIN,
        "outcome_meanings": dict(MEANINGS),
        "outcomes": {outcome: int((runs["outcome"] == outcome).sum()) for outcome in OUTCOMES},
        "stability": _describe_limits(papers, params.claims),
        "margins": params.claims.model_dump(mode="json"),
        **describe_claims(verdicts, findings.earlier),
        "delay": _list_arms(tables, shown["figure1_delay"]),
        "momentum": _list_momentum(tables, shown["figure2_momentum"]),
        "dropout": _list_arms(tables, shown["figure3_dropout"]),
        "readings": summarize_readings(runs, shown["readings"]),
        "sharpness": summarize_sharpness(findings.sharpness),
        "summaries": dict(findings.summaries),
        "cost": estimate_cost(findings.benchmark, environment, total_steps),
        "accuracies": list_accuracies(tables),
        "environment": dict(environment),
    }


def describe_data(preset: Preset, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Where the images come from; `recorded` is what the runs say of them."""
    data = preset.data
    file = (data.path or "").rstrip("/").split("/")[-1]
    recorded = environment.get("data_description", "")
    return {"recorded": recorded, "file": file, **data.model_dump(include={"source", "num_train", "num_test"})}


def _select_papers(params: Params, arms: pd.DataFrame) -> pd.DataFrame:
    """The arms of the paper's protocol, with its mini-batches; not those whose learning rate was calibrated."""
    open_ones = [name for name, experiment in params.selected.experiments.items() if not experiment.calibrated]
    found = select_first_kind(arms)
    found = found[has_batches_of(found, params.base)]
    chosen = [not set(open_ones).isdisjoint(str(names).split(";")) for names in found["experiments"]]
    return found[chosen] if any(chosen) else arms


def _list_values(arms: pd.DataFrame, key: str) -> list[Any]:
    return sorted(arms[key].dropna().unique().tolist()) if key in arms else []


def _list_kinds(arms: pd.DataFrame) -> list[str]:
    return sorted({label_settings(arm, kinds_of("momentum")) for arm in list_arms(arms[arms["momentum"] > 0])})


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


def _find_experiments(preset: Preset) -> dict[str, str | None]:
    """The experiment that each figure shows; None where the study has none."""
    varying = find_varying(preset.arms)
    plots = {name: plot.about for name, plot in list_plots().items() if plot.about}
    return {name: find_subject(preset, name, about, varying) for name, about in plots.items()}


def _list_arms(tables: Tables, experiment: str | None) -> list[dict[str, Any]]:
    """The arms of an experiment: label, number of runs and their mean final accuracy; none without one."""
    if experiment is None:
        return []
    chosen = select_own_arms(tables, experiment)
    return _label(chosen, naming_keys(chosen))


def _list_momentum(tables: Tables, experiment: str | None) -> list[dict[str, Any]]:
    """The kinds of momentum at the smallest and at the largest m."""
    if experiment is None:
        return []
    chosen = select_own_arms(tables, experiment)
    keys = naming_keys(chosen, without="num_workers")
    ends = dict.fromkeys([int(chosen["num_workers"].min()), int(chosen["num_workers"].max())])
    return [{"num_workers": m, "arms": _label(chosen[chosen["num_workers"] == m], keys)} for m in ends]


def _label(arms: pd.DataFrame, keys: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "label": label_settings(arm, keys),
            "runs": int(arm["n_runs"]),
            "accuracy": float(arm["final_test_accuracy_mean"]),
        }
        for arm in list_arms(arms)
    ]
