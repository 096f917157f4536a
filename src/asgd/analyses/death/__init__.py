"""How runs die: all that did, followed again, and one of them dissected beside itself without the output ReLU."""

from typing import Any

import pandas as pd

from asgd.analyses.analysis import Analysis
from asgd.analyses.death.autopsy import (
    choose_dying_run,
    dissect_run,
    list_logit_deaths,
    plan_autopsy,
)
from asgd.analyses.death.summary import summarize_deaths
from asgd.analyses.death.survey import (
    count_live_at_start,
    plan_survey,
    rank_explanations,
    survey_deaths,
)
from asgd.analyses.given import Given
from asgd.settings.analyses import Section, Setting
from asgd.settings.run import RunConfig
from asgd.settings.subjects import Subject
from asgd.tables.table import Table

ANALYSIS = Analysis(
    about=Subject(varies=("output_relu",), may_vary=("pools", "num_workers")),
    reads=("runs",),
    needs=("run", "settings"),
    margins=("fail_workers",),
    probes=("displacement", "logits", "sample", "sharpness", "silence"),
    tables={
        "death": Table(
            rows="one for each probe of the dissected run, and of the same run without the output ReLU",
            key=("output_relu", "step"),
            columns={
                "num_workers": "m, the number of workers",
                "learning_rate": "eta",
                "seed": "seed of the run",
                "output_relu": "whether a ReLU follows the logits",
                "step": "server steps taken",
                "epoch": "passes over the training set: step / steps per epoch",
                "train_loss": "mean training loss since the last probe, at the stale weights, nats; empty at step 0",
                "gradient_norm": "norm of the gradient applied last; empty at step 0",
                "zero_gradient_share": "share of steps since the last probe with an all-zero gradient",
                "test_loss": "loss on a sample of test images, nats; the rows end where it overflows",
                "test_accuracy": "accuracy on that sample, in [0, 1]",
                "zero_logit_share": "share of that sample whose logits are all exactly zero",
                "staleness_displacement": "||W_t - W_{t-tau}||, norm of current minus stale weights",
                **{
                    f"logit_{label}": f"largest logit of class {label} over the sample, before the output ReLU"
                    for label in "0123456789"
                },
                "live_logits": "how many of these are positive",
                "sharpness": "largest eigenvalue of the loss's Hessian on training images; empty where not measured",
                "stability": "sharpness times learning rate over the threshold: above 1 unstable by linear theory",
            },
        ),
        "death_logits": Table(
            rows="one for each class of the dissected run",
            key=("label",),
            columns={
                "label": "class",
                "dead_at_start": "whether its logit was positive on no image of the sample at step 0",
                "last_alive_step": "the last probe at which it was positive on some; empty if at none",
                "dies": "whether it is positive on none at the end",
            },
        ),
        "death_survey": Table(
            rows="one for each run without momentum and dropout that died",
            key=("num_workers", "learning_rate", "pools", "seed"),
            columns={
                "num_workers": "m, the number of workers",
                "learning_rate": "eta",
                "pools": "max-pooling after the first convolution only, or after both",
                "seed": "seed of the run",
                "last_step": "server steps that the run took",
                "silent_from": "the first probe after which there was no gradient",
                "live_at_start": "logits positive on some test image at step 0, of ten",
                "burst_step": "the probe at which ||W_t - W_{t-tau}|| was largest",
                "live_before_burst": "logits alive one round of m steps before that",
                "live_after_burst": "logits alive one round of m steps after that",
                "stability": "largest learning rate times sharpness before the burst, over the threshold",
                "silent_images": "share of all training images whose logits are all zero at the end",
                "control": "outcome of the same run without the output ReLU",
            },
        ),
    },
    summary="death_summary",
)
SECTION = Section(
    "how closely runs that died are followed (`death.csv`, `death_survey.csv`)",
    {
        "num_probes": Setting(240, "probes along the one run that is dissected", at_least=1),
        "survey_probes": Setting(150, "probes along every run that died", at_least=1),
        "num_images": Setting(500, "test images for the logits, training images for the sharpness", at_least=1),
        "sharpness_every": Setting(10, "probes from one measurement of the sharpness to the next; 0: none", at_least=0),
    },
)


def plan(given: Given) -> list[RunConfig]:
    """The runs that died with their controls; when these are known, what comes ahead of each death, and the autopsy."""
    survey, known = plan_survey(given)
    return [*survey, *plan_autopsy(given)] if known else survey


def tabulate(given: Given) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables death, death_logits and death_survey, and the summary."""
    config = choose_dying_run(given).config
    declared = {name: list(one.columns) for name, one in ANALYSIS.tables.items()}
    table, survey = dissect_run(given, declared["death"]), survey_deaths(given, declared["death_survey"])
    live = count_live_at_start(given)
    ranks = rank_explanations(given.tables["runs"], given.base, live)
    tables = {"death": table, "death_logits": list_logit_deaths(table[table["output_relu"]]), "death_survey": survey}
    return tables, summarize_deaths(table, survey, ranks, live, config)
