"""A run that dies, followed: the probes are those of the run, and the death is where its gradients stop."""

import numpy as np
import pandas as pd
import pytest
import torch

from asgd.analyses.death.autopsy import (
    LOGITS,
    Probing,
    choose_dying_run,
    dissect_run,
    find_death,
    follow_run,
    list_logit_deaths,
)
from asgd.analyses.death.summary import summarize_run
from asgd.data import Dataset, load_data, prepare_data
from asgd.runs.train import train_run
from asgd.settings.claims import ClaimsConfig
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.simulator.engines import build_engine
from asgd.simulator.networks.paper import PaperNetwork, load_weights, normalize_images

DYING = RunConfig(num_workers=5, learning_rate=0.3, epochs=20, train_eval_images=0, seed=1)
PROBING = Probing(num_probes=20, num_images=20, sharpness_every=10)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    data = DataConfig(source="synthetic", num_train=80, num_test=20)
    return load_data(prepare_data(data, tmp_path_factory.mktemp("data"), progress=False))


@pytest.fixture(scope="module")
def dissected(dataset: Dataset) -> pd.DataFrame:
    return dissect_run(DYING, dataset, PROBING)


def test_the_death_is_where_the_gradients_stop(dataset: Dataset) -> None:
    death = find_death(DYING, dataset, every=5)
    assert death is not None
    engine = build_engine(DYING, dataset.train_images, dataset.train_labels)
    assert engine.advance(death - 5).num_steps == death - 5
    assert engine.advance(5).num_zero_gradients < 5
    assert engine.advance(200).num_zero_gradients == 200
    assert train_run(DYING, dataset).record["outcome"] == "dead"


def test_a_run_that_lives_has_no_death(dataset: Dataset) -> None:
    alive = DYING.model_copy(update={"learning_rate": 0.01, "epochs": 3.0})
    assert find_death(alive, dataset, every=5) is None
    table = dissect_run(alive, dataset, PROBING)
    assert table["step"].max() == 60  # all of it
    assert summarize_run(table)["died_by"] is None


def test_probes_are_those_of_the_run(dataset: Dataset) -> None:
    table = follow_run(DYING, dataset, 40, Probing(num_probes=4, num_images=10, sharpness_every=2)).set_index("step")
    assert list(table.index) == [0, 10, 20, 30, 40]
    assert table["epoch"].tolist() == [0, 0.5, 1, 1.5, 2]
    assert table["sharpness"].notna().tolist() == [True, False, True, False, True]
    engine, network = build_engine(DYING, dataset.train_images, dataset.train_labels), PaperNetwork(output_relu=False)
    engine.advance(20)
    last = engine.advance(10)
    load_weights(network, engine.weights)
    with torch.no_grad():
        largest = network(normalize_images(dataset.test_images[:10])).numpy().max(axis=0)
    row = table.loc[30]
    assert row[list(LOGITS)].to_numpy(dtype=float) == pytest.approx(largest)
    assert row["live_logits"] == np.sum(largest > 0)
    assert row["train_loss"] == last.loss_sum / 10
    assert row["gradient_norm"] == last.gradient_norm
    assert row["staleness_displacement"] == engine.staleness_displacement()
    assert row["test_loss"] == engine.evaluate(dataset.test_images[:10], dataset.test_labels[:10]).loss


def test_the_control_differs_in_the_relu_alone_and_lives(dissected: pd.DataFrame, dataset: Dataset) -> None:
    dying, control = dissected[dissected["output_relu"]], dissected[~dissected["output_relu"]]
    death = find_death(DYING, dataset)
    assert death is not None
    assert dying["zero_gradient_share"].iloc[-1] == 1
    assert dying["sharpness"].dropna().iloc[-1] == 0
    assert death < dying["step"].max() <= death / 0.9 + 1
    assert dying["zero_logit_share"].iloc[-1] == 1
    assert (control["zero_logit_share"] == 0).all()
    assert (control["zero_gradient_share"].dropna() < 1).all()
    assert dying[list(LOGITS)].iloc[0].tolist() == control[list(LOGITS)].iloc[0].tolist()
    assert dying[["num_workers", "learning_rate", "seed"]].drop_duplicates().values.tolist() == [[5, 0.3, 1]]


def test_the_death_is_summed_up(dissected: pd.DataFrame) -> None:
    found = summarize_run(dissected)
    dying = dissected[dissected["output_relu"]].set_index("step")
    first = dying.index[dying["zero_gradient_share"].eq(1)].min()
    assert [found[key] for key in ("num_workers", "learning_rate", "seed")] == [5, 0.3, 1]
    assert found["live_at_start"] == dying["live_logits"].iloc[0]
    assert found["died_by"] >= first
    assert found["burst_step"] < found["died_by"]
    assert found["stability"] == pytest.approx(dying["stability"].max())


def test_a_logit_dies_when_it_is_positive_for_the_last_time() -> None:
    table = pd.DataFrame({name: [1.0, 1.0, -1.0, -1.0] for name in LOGITS}, index=range(4)).assign(step=[0, 10, 20, 30])
    table["logit_3"] = [-1.0, 0.5, -1.0, 0.5]
    table["logit_4"] = [-1.0, -1.0, 0.0, 0.0]
    found = list_logit_deaths(table).set_index("label")
    assert found.loc[0].tolist() == [False, 10, True]
    assert found.loc[3].tolist() == [True, 30, False]
    assert found.loc[4, "dead_at_start"]
    assert pd.isna(found.loc[4, "last_alive_step"])


def test_the_run_to_dissect_is_chosen_by_reading_rate_and_time(dataset: Dataset) -> None:
    base, margins = RunConfig(learning_rate=0.01, train_eval_images=0, engine="fused"), ClaimsConfig(fail_workers=20)

    def make(outcome: str, last_step: int, **changes: object) -> dict[str, object]:
        config = RunConfig.model_validate({**base.model_dump(), "num_workers": 20, **changes})
        return {**config.hashed(), "run": config.slug(), "outcome": outcome, "last_step": last_step} | {
            "final_test_accuracy": 0.1,
            "total_steps": 1000,
        }

    dead = [
        make("dead", 300, learning_rate=0.02, seed=0),
        make("dead", 100, learning_rate=0.03, seed=1),
        make("dead", 200, learning_rate=0.02, seed=2, epochs=3.0),
        make("dead", 50, learning_rate=0.02, seed=3, momentum=0.9),
        make("dead", 50, learning_rate=0.02, seed=4, num_workers=10),
        make("plateau", 1000, seed=5),
    ]
    chosen = choose_dying_run(pd.DataFrame(dead), base, margins, dataset)
    assert (chosen.learning_rate, chosen.seed, chosen.epochs, chosen.num_workers) == (0.02, 2, 3.0, 20)
    at_base = [*dead, make("dead", 900, seed=6)]
    assert choose_dying_run(pd.DataFrame(at_base), base, margins, dataset).seed == 6
    other_reading = [*dead, make("dead", 10, seed=7, pools=1)]
    assert choose_dying_run(pd.DataFrame(other_reading), base, margins, dataset).seed == 2
    alive = pd.DataFrame(dead).assign(outcome="plateau")
    fallback = choose_dying_run(alive, base, margins, dataset)
    assert (fallback.learning_rate, fallback.seed, fallback.num_workers) == (0.01, 0, 20)
    few = alive.assign(num_workers=5)
    assert choose_dying_run(few, base, margins, dataset).num_workers == 5


def test_a_run_that_dies_on_every_image_comes_before_one_that_does_not(dataset: Dataset) -> None:
    base = RunConfig(num_workers=5, learning_rate=0.01, epochs=20, train_eval_images=0, engine="fused")
    rows = [
        {**base.hashed(), "learning_rate": rate, "seed": 1, "outcome": "dead", "last_step": 100} for rate in (0.01, 0.3)
    ]
    chosen = choose_dying_run(pd.DataFrame(rows), base, ClaimsConfig(fail_workers=5), dataset)
    assert chosen == DYING.model_copy(update={"engine": "fused"})  # that at 0.01 does not really die
