"""An experiment's own runs, of arms of which another experiment has more."""

import pandas as pd
import pytest

from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.tables.experiments import select_experiment
from asgd.tables.samples import select_samples
from asgd.tables.table import Tables
from tests.study_tables import make_study, make_tables


@pytest.fixture(scope="module")
def tables() -> Tables:
    """Seeds 0 and 1 of m = 1 and m = 30 in `delay`; `rescue` has four seeds of m = 30, the later ones better."""
    configs = [RunConfig(num_workers=m, epochs=1, seed=seed) for m in (1, 30) for seed in range(4 if m == 30 else 2)]
    runs, evaluations = make_study(configs, "delay", lambda config: (0.3 + 0.1 * (config.seed > 1), "trained"), noise=0)
    members = ["delay" if m == 1 else "delay;rescue" for m in runs["num_workers"]]
    runs = runs.assign(experiments=members)
    runs.loc[runs["seed"] > 1, "experiments"] = "rescue"
    return {"runs": runs, **make_tables(runs, evaluations), "other": pd.DataFrame({"x": [1]})}


def test_means_and_curves_are_those_of_the_experiments_own_runs(tables: Tables) -> None:
    own = select_samples(tables, "delay")
    arms = select_experiment(own["arms"], "delay")
    assert arms[["num_workers", "n_runs"]].to_numpy().tolist() == [[1, 2], [30, 2]]
    assert arms["final_test_accuracy_mean"].tolist() == pytest.approx([0.3, 0.3])
    assert set(own["runs"]["seed"]) == set(own["evaluations"]["seed"]) == {0, 1}
    ends = own["curves"].query("metric == 'test_accuracy' and epoch == 1")
    assert ends["n"].tolist() == [2, 2]
    assert ends["mean"].tolist() == pytest.approx([0.3, 0.3])
    assert own["other"] is tables["other"]


def test_the_experiment_that_asks_for_all_runs_has_them(tables: Tables) -> None:
    assert select_samples(tables, "rescue") is tables
    (arm,) = select_experiment(tables["arms"], "rescue").to_dict("records")
    assert (arm["n_runs"], arm["final_test_accuracy_mean"]) == (4, pytest.approx(0.35))


def test_an_experiment_without_runs_is_an_error(tables: Tables) -> None:
    with pytest.raises(AsgdError, match="experiment 'none' has no arms"):
        select_samples(tables, "none")
