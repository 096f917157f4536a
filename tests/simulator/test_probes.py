"""Probes measure what they say, at the steps that were asked for, and change nothing of the run."""

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from asgd.data import Dataset, load_data, prepare_data
from asgd.errors import AsgdError
from asgd.members import load_member
from asgd.runs.checkpoint import Checkpointer
from asgd.runs.folder import Result, format_metrics, format_probes
from asgd.runs.train import train_run
from asgd.settings.data import DataConfig
from asgd.settings.probes import describe_columns, list_probes
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate
from asgd.simulator.engines import build_engine
from asgd.simulator.networks.paper import PaperNetwork, load_weights, normalize_images
from asgd.simulator.probes.network import sample_images
from asgd.simulator.probes.sharpness import measure_sharpness
from tests.runs.test_checkpoint import KilledError, Killer

#: More than a chunk of the fused engine from one evaluation to the next, so that probes cut sums in many places.
SETTINGS: dict[str, Any] = {"epochs": 2, "num_workers": 5, "learning_rate": 0.02, "train_eval_images": 40}
SETTINGS |= {"evaluations_per_epoch": 1}
ALL: dict[str, Any] = {
    "displacement": {"every": 27},
    "logits": {"every": 50, "num_images": 10},
    "sample": {"every": 13, "num_images": 20},
    "sharpness": {"epochs": [0, 1.2], "num_images": 20},
    "silence": {"num_images": None},
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    data = DataConfig(source="synthetic", num_train=600, num_test=40)
    return load_data(prepare_data(data, tmp_path_factory.mktemp("data"), progress=False))


def train(dataset: Dataset, **settings: Any) -> Result:
    return train_run(RunConfig(**{**SETTINGS, **settings}), dataset)


def read(result: Result) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(format_probes(result.probes))).set_index("step")


@pytest.mark.parametrize("engine", ["fused", "reference"])
@pytest.mark.parametrize("kind", [{}, {"dropout": 0.3, "momentum": 0.9, "momentum_where": "worker"}], ids=str)
def test_the_probes_change_no_number_of_the_run(dataset: Dataset, engine: str, kind: dict[str, Any]) -> None:
    settings = {**kind, "engine": engine}
    plain, probed = train(dataset, **settings), train(dataset, **settings, probes=ALL)
    assert format_metrics(probed.rows) == format_metrics(plain.rows)
    assert list(plain.probes) == []
    assert set(read(probed).index) == {*range(0, 301, 27), *range(0, 301, 50), *range(0, 301, 13), 180, 300}


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_probes_are_those_of_the_run_at_their_steps(dataset: Dataset, engine: str) -> None:
    table = read(train(dataset, engine=engine, probes={**ALL, "displacement": {"every": 20}, "logits": {"every": 20}}))
    assert table.loc[[0, 180, 300], "sharpness"].notna().all()
    assert table["sharpness"].notna().sum() == 3
    assert table["silent_images"].notna().tolist() == [False] * (len(table) - 1) + [True]
    row = table.loc[180]
    config = RunConfig(**{**SETTINGS, "engine": engine})
    run, network = build_engine(config, dataset.train_images, dataset.train_labels), PaperNetwork()
    before = max(step for step in table.index if step < 180)
    run.advance(before)
    last = run.advance(180 - before)
    assert row["train_loss"] == pytest.approx(last.loss_sum / last.num_gradients, rel=1e-12)
    assert row["gradient_norm"] == last.gradient_norm
    assert row["staleness_displacement"] == run.staleness_displacement()
    load_weights(network, run.weights)
    assert row["sharpness"] == measure_sharpness(network, *sample_images(dataset, 20))
    network.output_relu = False
    with torch.no_grad():
        largest = network(normalize_images(dataset.test_images)).numpy().max(axis=0)
    assert row[[f"logit_{label}" for label in range(10)]].to_numpy(dtype=float) == pytest.approx(largest)
    assert row["live_logits"] == np.sum(largest > 0)
    assert row["epoch"] == 1.2


def test_every_probe_returns_the_columns_that_it_declares_and_no_two_the_same(dataset: Dataset) -> None:
    config = RunConfig(**SETTINGS)
    engine = build_engine(config, dataset.train_images, dataset.train_labels)
    probes = list_probes()
    assert {"displacement", "logits", "sample", "sharpness", "silence"} <= probes.keys()
    for name, probe in probes.items():
        measure = load_member("asgd.simulator.probes", name).measure
        assert measure(engine, config, dataset, 20).keys() == probe.columns.keys(), name
    columns = list(itertools.chain(describe_columns([]), *(probe.columns for probe in probes.values())))
    assert len(columns) == len(set(columns))


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_a_probed_run_that_was_killed_ends_with_the_same_bytes(dataset: Dataset, tmp_path: Path, engine: str) -> None:
    config = RunConfig(**{**SETTINGS, "engine": engine, "evaluations_per_epoch": 3}, probes=ALL)
    whole, path = train_run(config, dataset), tmp_path / "run.npz"
    for step in (0, 90, 220):
        with pytest.raises(KilledError):
            train_run(config, dataset, Killer(step), checkpointer=Checkpointer(path, 0))
    killer = Killer()
    resumed = train_run(config, dataset, killer, checkpointer=Checkpointer(path, 0))
    assert killer.resumed_at == 200
    # A finished run whose results were lost is not trained again.
    again = train_run(config, dataset, checkpointer=Checkpointer(path, 0))
    for result in (resumed, again):
        assert format_probes(result.probes) == format_probes(whole.probes)
        assert format_metrics(result.rows) == format_metrics(whole.rows)


def test_a_run_that_ends_early_is_probed_at_its_end(dataset: Dataset) -> None:
    dead = train(dataset, learning_rate=0.3, seed=1, epochs=6, probes={"silence": {}, "displacement": {"every": 70}})
    assert dead.record["outcome"] == "dead"
    table = read(dead)
    assert table.index[-1] == dead.record["last_step"] < 900
    assert table["silent_images"].iloc[-1] > 0.9
    overflowed = train(dataset, learning_rate=1e6, output_relu=False, probes={"sharpness": {"every": 50}})
    assert overflowed.record["outcome"] == "non_finite"
    assert np.isnan(read(overflowed)["sharpness"].iloc[-1])


@pytest.mark.parametrize(
    ("probes", "message"),
    [
        (
            {"speed": {}},
            "run: probes: 'speed' is not a probe; give one of displacement, logits, sample, sharpness, silence",
        ),
        ({"logits": {"every": 0}}, "run: probes.logits.every = 0: Input should be greater than or equal to 1"),
        (
            {"logits": {"steps": 1}},
            "run: unknown key 'probes.logits.steps'; keys allowed here are every, epochs, num_images",
        ),
        ({"logits": {"epochs": [0, 4]}}, "run: probes.logits: epoch 4 is after the end of the run, 2"),
        ("{logits", "run: probes: '{logits' is not JSON"),
        (["logits"], "run: probes = ['logits']: Input should be a valid dictionary"),
    ],
)
def test_wrong_probes_are_refused_in_one_line(probes: Any, message: str) -> None:
    with pytest.raises(AsgdError) as caught:
        validate(RunConfig, {**SETTINGS, "probes": probes}, "run")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_two_ways_to_write_probes_share_one_run() -> None:
    one = RunConfig(probes={"sharpness": {"epochs": [1, 0, 1]}, "displacement": {"every": 5, "num_images": 3}})
    other = RunConfig(probes='{"displacement": {"every": 5}, "sharpness": {"epochs": [0.0, 1.0]}}')
    assert one == other
    assert one.arm() == other.arm() != RunConfig().arm()
