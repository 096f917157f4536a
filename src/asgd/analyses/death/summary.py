"""What is found about how runs die, in numbers: the content of death_summary.json."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from asgd.analyses.death.autopsy import find_burst, find_silence
from asgd.settings.run import RunConfig
from asgd.simulator.outcome import OUTCOMES


def summarize_deaths(
    table: pd.DataFrame,
    survey: pd.DataFrame,
    ranks: Mapping[str, float],
    live_at_start: Mapping[int, int],
    config: RunConfig,
) -> dict[str, Any]:
    """`run`, `survey` and `ranks` as the functions below give them; `live_at_start` by seed; `config` of the run.

    ``table`` is that of ``autopsy.dissect_run``, the others are those of ``asgd.analyses.death.survey``.
    """
    return {
        "run": summarize_run(table),
        "survey": summarize_survey(survey),
        "ranks": summarize_ranks(ranks),
        "live_at_start": {str(seed): count for seed, count in live_at_start.items()},
        "config": config.model_dump(),
    }


def summarize_run(table: pd.DataFrame) -> dict[str, Any]:
    """When the dissected run died (`died_by`: the first silent probe, None if it did not), and its worst burst.

    The burst is the largest ||W_t - W_{t-tau}|| before the death; what it did to the logits is read m steps later, when
    the last stale gradient from before it has been applied. `stability` is the largest learning rate times sharpness
    over the limit.
    """
    run = table[table["output_relu"]].reset_index(drop=True)
    first, silent, burst = run.iloc[0], find_silence(run), find_burst(run)
    return {
        "num_workers": int(first["num_workers"]),
        "learning_rate": float(first["learning_rate"]),
        "seed": int(first["seed"]),
        "died_by": int(run.loc[silent, "step"].min()) if silent.any() else None,
        "stability": _defined(run["stability"].max()),
        "live_at_start": int(first["live_logits"]),
        "burst_step": burst.step,
        "live_before_burst": burst.live_before,
        "live_after_burst": burst.live_after,
    }


def summarize_survey(survey: pd.DataFrame) -> dict[str, Any]:
    """What came before the deaths, how silent the runs were at the end, and how the controls ended.

    `unstable`: how many were above the limit ahead of their burst. Medians are over runs. `silent`: how many gave no
    gradient on any training image; `most_passing`: the largest share of training images that still pass one. If none
    died only `runs`, 0.
    """
    if survey.empty:
        return {"runs": 0}
    medians = ("stability", "live_at_start", "live_before_burst", "live_after_burst")
    return {
        "runs": len(survey),
        "unstable": int((survey["stability"] > 1).sum()),
        "medians": {name: _defined(survey[name].median()) for name in medians},
        "silent": int((survey["silent_images"] == 1).sum()),
        "most_passing": float(1 - survey["silent_images"].min()),
        "controls": {outcome: int((survey["control"] == outcome).sum()) for outcome in OUTCOMES},
    }


def summarize_ranks(ranks: Mapping[str, float]) -> dict[str, float] | None:
    """``survey.rank_explanations``; None where no run died or none trained."""
    return None if any(map(math.isnan, ranks.values())) else {name: float(value) for name, value in ranks.items()}


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
