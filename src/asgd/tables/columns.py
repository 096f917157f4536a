"""The tables that aggregation makes of the runs: what a row of each is, and what each column holds.

Analyses declare theirs beside what computes them (``asgd.analyses``).
"""

from collections.abc import Mapping
from typing import Any

from asgd.settings.parameters import describe_parameters, list_parameters
from asgd.settings.run import RunConfig
from asgd.simulator.outcome import OUTCOMES
from asgd.tables.table import Table

_PARAMETERS = describe_parameters()
_BEFORE = RunConfig.later_keys()
#: The run parameters that are columns of every table of runs or arms. A later one is a column only of tables with runs
#: that have another value than the one that means as before.
SETTINGS = {name: _PARAMETERS[name] for name in list_parameters() if name not in _BEFORE}
_ALSO = "; a further run parameter is a column if a run has another value than the paper's protocol"
_OTHERS = "Where a run has another schedule, policy, update or execution than the paper's, also:"
_ARM = {"arm": "hash of the configuration without the seed"}
_RUN = {"run": "name of the run's folder", **_ARM, "seed": _PARAMETERS["seed"]}
_EXPERIMENTS = {"experiments": "experiments that the run belongs to, separated by semicolons"}
_TIMES = {"step": "server steps taken", "epoch": "passes over the training set: gradients / gradients in an epoch"}
# Where each gradient is a step and workers take turns, all of these follow from the step.
_CLOCK = {
    "gradients": "gradients: applied, discarded, dropped and cancelled",
    "time": "simulated time, in mean times of a gradient on an ordinary worker; of real workers, seconds",
}

# Of runs with real workers and of their replays.
_EXECUTION = {
    "staleness_counts": "of a real run: gradients applied with each staleness, as JSON",
    "lost": "of a real run: gradients lost with their worker",
    "training_seconds": "of a real run: duration without evaluations",
    "server_share": "of a real run: share of training_seconds in which the server did not wait for a gradient",
    "replayed_identical": "of a replay: whether its weights were the real run's at every evaluation, bit for bit",
}

#: What is measured at an evaluation: the columns of a run's metrics.csv but its step.
METRICS = {
    "train_loss": "mean training loss since the previous evaluation, at the stale weights, nats; empty at step 0",
    "train_eval_loss": "loss on a fixed training subset, without dropout, nats",
    "train_eval_accuracy": "accuracy on that subset, in [0, 1]",
    "test_loss": "loss on the test set, nats",
    "test_accuracy": "accuracy on the test set, in [0, 1]",
    "gradient_norm": "norm of the last step's gradient; empty at step 0",
    "zero_gradient_share": "share of gradients applied since the previous evaluation that were zero; empty at step 0",
    "staleness_displacement": "||W_t - U||, norm of the current weights minus those of the next worker",
    "zero_logit_share": "share of test images whose logits are all exactly zero",
}

#: The same, of studies with other schedules, policies or updates than the paper's.
LATER_METRICS = {
    "staleness_mean": "mean staleness of the gradients applied since the previous evaluation, server steps",
    "staleness_max": "the largest of them",
    "correction": "median of ||correction|| / ||gradient|| since the previous evaluation, of every 128th step; "
    "empty without a correction",
}

RUNS = Table(
    rows="one for each run" + _ALSO,
    key=("run",),
    columns={
        **_RUN,
        **_EXPERIMENTS,
        **SETTINGS,
        "outcome": "how it ended: one of the [outcomes](#outcomes)",
        "stopped_early": "whether the run ended before total_steps because nothing could change any more",
        "last_step": "server steps really taken",
        "total_steps": "length asked for, as `steps`: in gradients",
        "final_test_accuracy": "test accuracy at total_steps, in [0, 1]; a non-finite run counts as at chance",
        "final_test_loss": "test loss at total_steps, nats",
        "final_train_loss": "training loss of the last interval, nats",
        "wall_seconds": "duration of the run, seconds",
        "steps_per_second": "gradients per second, evaluations included",
    },
    later=_EXECUTION,
    where="In a study with real or replayed runs, also:",
    grows=True,
)

EVALUATIONS = Table(
    rows="one for each run and evaluation, to total_steps also where the run ended before",
    key=("run", "epoch"),
    columns={**_RUN, **_TIMES, **METRICS},
    later={**_CLOCK, **LATER_METRICS},
    where=_OTHERS,
    grows=True,
)

ARMS = Table(
    rows="one for each arm" + _ALSO,
    key=("arm",),
    columns={
        **_ARM,
        **_EXPERIMENTS,
        **SETTINGS,
        "n_runs": "number of runs, one per seed",
        **{outcome: f"number of runs with outcome {outcome}" for outcome in OUTCOMES},
        "final_test_accuracy_mean": "mean over runs of the final test accuracy, in [0, 1]",
        "final_test_accuracy_std": "its standard deviation (n - 1); empty for one run",
    },
)

CURVES = Table(
    rows="one for each arm, metric and evaluation",
    key=("arm", "metric", "epoch"),
    columns={
        **_ARM,
        **_TIMES,
        "metric": f"one of {', '.join(METRICS)}; where the study has them {', '.join(LATER_METRICS)}",
        "n": "number of runs that have a value",
        "mean": "mean over runs, in the metric's unit",
        "variance": "variance over runs (n - 1); empty for one run",
        "std": "standard deviation over runs; empty for one run",
        "ci_low": "lower limit of the 95 % t-interval of the mean; empty for one run",
        "ci_high": "upper limit of it",
    },
    later=_CLOCK,
    where=_OTHERS,
    grows=True,
)

DVC_CURVES = Table(
    rows="one for each arm and evaluation: what `dvc plots` draws, to a millionth",
    key=("arm", "epoch"),
    columns={
        "arm": "the arm's name, the same in every revision of a study",
        "epoch": _TIMES["epoch"],
        "mean": "mean test accuracy over runs, in [0, 1]",
        "ci_low": "lower limit of its 95 % t-interval; the mean where there is one run",
        "ci_high": "upper limit of it",
    },
)

#: By the name of the file, without its suffix.
AGGREGATED = {"runs": RUNS, "evaluations": EVALUATIONS, "arms": ARMS, "curves": CURVES, "dvc_curves": DVC_CURVES}


def name_file(table: str, table_format: str) -> str:
    """The file of a table of aggregation or of an analysis, where those that grow have the format ``table_format``."""
    grows = table in AGGREGATED and AGGREGATED[table].grows
    return f"{table}.{table_format if grows else 'csv'}"


def find_later(config: Mapping[str, Any]) -> set[str]:
    """The later parameters of which ``config`` has another value than the one that means as the first runs."""
    return {key for key, before in _BEFORE.items() if config.get(key, before) != before}
