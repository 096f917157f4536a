"""The choice of learning rates, which the paper does not give: by rules fixed beforehand, on seeds of their own.

The first edition chose one rate from a few (`rank_learning_rates`). The second gives every calibrated arm a rate of its
own: from where its experiment starts, rates a factor of 2 apart are tried until the best is not at an end.
"""

import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from asgd.analyses.analysis import Analysis
from asgd.analyses.given import Given, Trained
from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.settings.statements import Criterion
from asgd.settings.study import Experiment, Preset
from asgd.settings.subjects import Subject
from asgd.settings.validation import validate
from asgd.simulator.outcome import TRAINED
from asgd.tables.arms import change, config_of
from asgd.tables.crossing import time_to
from asgd.tables.evaluations import CHANCE_ACCURACY, complete_evaluations
from asgd.tables.statistics import describe
from asgd.tables.table import Table
from asgd.terminal import make_table, render

ANALYSIS = Analysis(
    about=Subject(varies=("seed",)),  # of no experiment alone: a preset names one in `subjects`
    reads=("runs",),  # so that the starts are trained before
    needs=("run", "seeds", "calibrated"),
    margins=("second.time_accuracy",),
    unprobed=True,
    tables={
        "calibration": Table(
            rows="one for each calibrated arm and learning rate that was tried",
            key=("criterion", "settings", "learning_rate"),
            columns={
                "criterion": "what the rate is chosen by: accuracy, accuracy among few rates, time, or loss",
                "settings": "settings of the arm that differ from a run's defaults, except the rate, as JSON",
                "learning_rate": "eta",
                "n": "number of runs, one per seed",
                "failed": "how many of them did not train, or never reached the accuracy that is timed",
                "score": "mean final accuracy in [0, 1], mean final training loss, or geometric mean of the time",
                "correction": "median of ||correction|| / ||gradient|| over evaluations and runs; empty without one",
                "chosen": "whether it is the arm's rate: the best of those with no failed run, or of all",
                "inside": "whether a lower and a higher rate were tried",
                "backups": "whether no other number of backup workers has a better score, all else equal",
            },
        )
    },
)

#: Between one rate and the next.
FACTOR = 2.0

#: Rates that are tried at most for an arm.
MOST_RATES = 12

Rates = Mapping[float, "Tried"]

Evaluations = Sequence[pd.DataFrame]  #: of runs


@dataclass(frozen=True)
class Tried:
    """What an arm came to at a learning rate."""

    n: int
    failed: int
    score: float  #: as in the table
    merit: float  #: the greater the better
    correction: float


def _score_accuracy(runs: Evaluations, trained: Sequence[bool], level: float) -> tuple[float, float, int]:
    score = float(np.mean([table["test_accuracy"].iloc[-1] for table in runs]))
    return score, score, trained.count(False)


def _score_loss(runs: Evaluations, trained: Sequence[bool], level: float) -> tuple[float, float, int]:
    score = float(np.mean([table["train_eval_loss"].iloc[-1] for table in runs]))
    return score, -score, trained.count(False)


def _score_time(runs: Evaluations, trained: Sequence[bool], level: float) -> tuple[float, float, int]:
    times = [time_to(level, table["time"], table["test_accuracy"]) for table in runs]
    failed = sum(not one or math.isinf(time) for one, time in zip(trained, times, strict=True))
    ends = [min(time, table["time"].iloc[-1]) for time, table in zip(times, runs, strict=True)]
    score = float(np.exp(np.mean(np.log(ends))))
    return score, -score, failed


#: By criterion: score, merit and number of failed runs, of the evaluations of each run, whether it trained, and the
#: accuracy that is timed.
_SCORES: Mapping[Criterion, Callable[[Evaluations, Sequence[bool], float], tuple[float, float, int]]] = {
    "accuracy": _score_accuracy,
    "few rates": _score_accuracy,
    "loss": _score_loss,
    "time": _score_time,
}


@dataclass(frozen=True)
class Walk:
    """The learning rates of one arm. ``start`` has its settings and the rate in the middle of the first three."""

    criterion: Criterion
    start: RunConfig
    seeds: tuple[int, ...]
    accuracy: float  #: that is timed

    def runs(self, rate: float) -> list[RunConfig]:
        """The runs at a rate, one a seed."""
        return [change(self.start, learning_rate=rate, seed=seed) for seed in self.seeds]

    def find_rates(self, given: Given) -> tuple[list[float], dict[float, Tried]]:
        """All rates that are wanted as far as is known, and what came of them; empty while runs are missing."""
        rates = [self.start.learning_rate * factor for factor in (1 / FACTOR, 1.0, FACTOR)]
        while True:
            runs = {rate: [given.find(config) for config in self.runs(rate)] for rate in rates}
            if any(run is None for found in runs.values() for run in found):
                return rates, {}
            tried = {rate: self.judge([run for run in found if run]) for rate, found in runs.items()}
            best = choose(tried)
            if self.criterion == "few rates" or len(rates) >= MOST_RATES or rates[0] < best < rates[-1]:
                return rates, tried
            rates = [rates[0] / FACTOR, *rates] if best == rates[0] else [*rates, rates[-1] * FACTOR]

    def judge(self, runs: list[Trained]) -> Tried:
        """What the runs at one rate came to."""
        evaluations = [complete_evaluations(pd.read_csv(io.StringIO(run.metrics)), run.record) for run in runs]
        trained = [run.record["outcome"] == TRAINED for run in runs]
        correction = float(pd.concat(evaluations)["correction"].median())
        score, merit, failed = _SCORES[self.criterion](evaluations, trained, self.accuracy)
        return Tried(len(runs), failed, score, merit, correction)


def choose(tried: Rates) -> float:
    """The best rate: where some have no failed run, of those; of equals the smaller."""
    whole = {rate: one for rate, one in tried.items() if not one.failed} or tried
    return min(whole, key=lambda rate: (-whole[rate].merit, rate))


def plan(given: Given) -> list[RunConfig]:
    """The runs at all rates that are wanted as far as is known."""
    return [config for walk in list_walks(given) for rate in walk.find_rates(given)[0] for config in walk.runs(rate)]


def tabulate(given: Given) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """All rates of all arms."""
    rows = [row for walk in list_walks(given) for row in _list_rows(walk, given)]
    table = pd.DataFrame(rows)
    chosen = table[table["chosen"]]
    same = [json.dumps({**json.loads(text), "backups": None}, sort_keys=True) for text in chosen["settings"]]
    best = chosen["merit"] == chosen.groupby([chosen["criterion"], same])["merit"].transform("max")
    first = set(zip(chosen["criterion"][best], chosen["settings"][best], strict=True))
    table["backups"] = [pair in first for pair in zip(table["criterion"], table["settings"], strict=True)]
    return {"calibration": table[list(ANALYSIS.tables["calibration"].columns)]}, {}


def list_walks(given: Given) -> Iterator[Walk]:
    """One for each calibrated arm of the study."""
    accuracy = given.margins["second.time_accuracy"]
    for criterion, arms in given.study["calibrated"].items():
        for arm in arms:
            yield Walk(criterion, validate(RunConfig, arm, "calibrated"), tuple(given.seeds), accuracy)


def _list_rows(walk: Walk, given: Given) -> Iterator[dict[str, Any]]:
    rates, tried = walk.find_rates(given)
    for rate in rates:
        given.trained(walk.runs(rate)[0])  # names what is missing
    best = choose(tried)
    for rate, one in tried.items():
        yield {
            "criterion": walk.criterion,
            "settings": json.dumps(describe_arm(walk.start)),
            "learning_rate": rate,
            "n": one.n,
            "failed": one.failed,
            "score": one.score,
            "merit": one.merit,
            "correction": one.correction,
            "chosen": rate == best,
            "inside": rates[0] < rate < rates[-1],
        }


def list_chosen(table: pd.DataFrame, experiment: Experiment, arms: Iterable[RunConfig]) -> list[dict[str, Any]]:
    """The variants of a calibrated experiment, of which these are the arms, at the rates of the table `calibration`.

    They lack what the experiment says of all of them, and for how long is trained and how often evaluated.
    """
    chosen = table[table["chosen"] & (table["criterion"] == experiment.calibrated)]
    rates = dict(zip(chosen["settings"], chosen["learning_rate"].astype(float), strict=True))
    apart = {"seed", "learning_rate", "epochs", "evaluations_per_epoch", "train_eval_images", *list_fixed(experiment)}
    return [
        {
            **arm.model_dump(mode="json", exclude_defaults=True, exclude=apart),
            "learning_rate": rates[json.dumps(describe_arm(arm))],
        }
        for arm in arms
    ]


def list_fixed(experiment: Experiment) -> list[str]:
    """The keys that have one value in all of an experiment's runs, but for the rate."""
    return [key for key, values in experiment.axes.items() if len(values) == 1 and key != "learning_rate"]


def describe_arm(config: RunConfig) -> dict[str, Any]:
    """What of an arm differs from a run's defaults, but for the rate."""
    return config.model_dump(mode="json", exclude_defaults=True, exclude={"seed", "learning_rate"})


def format_variants(arms: Iterable[Mapping[str, Any]]) -> str:
    """``arms`` as lines of YAML, for `variants` in params.yaml; each once."""
    lines = (", ".join(f"{key}: {_write(value)}" for key, value in arm.items()) for arm in arms)
    return "\n".join(f"- {{{line}}}" for line in dict.fromkeys(lines))


def _write(value: Any) -> str:
    if isinstance(value, float):
        return np.format_float_positional(value, trim="0")  # YAML 1.1 reads 1e-05 as text
    return value if isinstance(value, str) else json.dumps(value)


def format_chosen(table: pd.DataFrame, preset: Preset) -> str:
    """The variants of every calibrated experiment of the preset, as lines of YAML for another that has its name."""
    parts = []
    for name, experiment in preset.experiments.items():
        if experiment.calibrated:
            arms = experiment.model_copy(update={"seeds": None}).expand(name, preset.run, [0])
            parts.append(f"# {name}\n{format_variants(list_chosen(table, experiment, arms))}")
    return "\n".join(parts)


def format_rates(table: pd.DataFrame) -> str:
    """The table `calibration` for a terminal: the rates of each arm, the chosen one marked."""
    lines = []
    for (criterion, settings), rows in table.groupby(["criterion", "settings"], sort=False):
        arm = format_variants([json.loads(str(settings))]).removeprefix("- ")
        chosen = rows["backups"].all()
        lines.append(f"{criterion}: {arm}{'' if chosen else ' (another number of backup workers is sooner)'}")
        for row in rows.to_dict("records"):
            size = "" if pd.isna(row["correction"]) else f", correction {row['correction']:.2%}"
            failed = f", {row['failed']} of {row['n']} failed" if row["failed"] else ""
            mark = "*" if row["chosen"] else " "
            lines.append(f"  {mark} {row['learning_rate']:<10g} {row['score']:.4g}{size}{failed}")
    return "\n".join(lines)


def rank_learning_rates(runs: pd.DataFrame) -> pd.DataFrame:
    """Every learning rate of ``runs`` (a table of ``asgd.tables.aggregate``), the best first: the first edition's rule.

    The best mean test accuracy at the last evaluation; a run that overflowed counts as at chance; of equals, the
    smaller rate. Columns: learning_rate, n, mean, std (accuracies in [0, 1]), trained (number of runs). Raises
    AsgdError if the runs differ in more than rate and seed.
    """
    apart = {"seed", "learning_rate"}
    configs = [config_of(row).model_dump(mode="json", exclude=apart) for row in runs.to_dict("records")]
    if others := [key for key in configs[0] if any(config[key] != configs[0][key] for config in configs)]:
        raise AsgdError(
            f"table runs: its runs differ in {others[0]}; a rate is chosen from runs that differ in rate and seed"
        )
    rows = []
    for rate, group in runs.groupby("learning_rate"):
        accuracy = describe(group["final_test_accuracy"].fillna(CHANCE_ACCURACY))
        trained = int((group["outcome"] == "trained").sum())
        rows.append((rate, len(group), float(accuracy.mean), float(accuracy.std), trained))
    table = pd.DataFrame(rows, columns=["learning_rate", "n", "mean", "std", "trained"])
    return table.sort_values(["mean", "learning_rate"], ascending=[False, True], ignore_index=True)


def format_choice(table: pd.DataFrame) -> str:
    """The table of ``rank_learning_rates`` for a terminal, with the choice in its last line."""
    numbers = ("learning rate", "runs", "trained", "mean test accuracy", "standard deviation")
    shown = make_table(*numbers, numbers=numbers)
    for row in table.itertuples():
        shown.add_row(f"{row.learning_rate:g}", str(row.n), str(row.trained), f"{row.mean:.2%}", f"{row.std:.2%}")
    return f"{render(shown)}chosen: {table['learning_rate'].iloc[0]:g}, by the best mean test accuracy"
