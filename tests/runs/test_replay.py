"""A replay of a real run as a run of its own: it belongs to one recording, and says whether it came out the same."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic import ValidationError

from asgd.errors import AsgdError
from asgd.runs.folder import is_finished, list_files, read_run
from asgd.runs.orders import Setup, train_order
from asgd.runs.replay import replay_run
from asgd.settings.data import DataConfig
from asgd.settings.order import Order
from asgd.settings.run import RunConfig
from asgd.settings.study import load_params
from asgd.study.plan import plan_study
from asgd.tables.aggregate import aggregate_runs

DATA = DataConfig(source="synthetic", num_train=200, num_test=40)
RUN = RunConfig(num_workers=2, steps=60, train_eval_images=0, evaluations_per_epoch=1)

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="skipped: no Ray (make setup EXTRAS=ray)")


def test_real_replayed_and_simulated_runs_are_arms_of_their_own() -> None:
    runs = [RUN.model_copy(update={"execution": name}) for name in ("simulated", "real", "replayed")]
    assert len({run.arm() for run in runs}) == 3
    assert [run.slug().partition("seed0")[2] for run in runs] == ["", "-real", "-replayed"]
    assert runs[2].recorded_run() == runs[1]
    assert "schedule.csv" in list_files(f"{runs[1].slug()}-0")
    assert "schedule.csv" not in list_files(f"{runs[2].slug()}-0")


@pytest.mark.parametrize("execution", ["real", "replayed"])
@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"schedule": "random"}, "records its own schedule"),
        ({"policy": "discard", "max_staleness": 3, "stop": True}, "cannot be stopped"),
        ({"policy": "synchronous"}, "give cancel = false"),
    ],
)
def test_what_real_workers_cannot_do_is_refused(execution: str, settings: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        RunConfig(num_workers=4, execution=execution, **settings)


def test_a_replay_without_its_real_run_is_refused(tmp_path: Path) -> None:
    order = Order(run=RUN.model_copy(update={"execution": "replayed"}), data=DATA)
    with pytest.raises(AsgdError, match=r"-real-\w+: this run does not exist; train it first, with execution = real"):
        train_order(order, Setup(data_root=tmp_path / "data", store=tmp_path / "runs"))


def test_a_study_that_replays_what_it_does_not_record_is_refused(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "params.yaml").read_text().replace("[real, replayed]", "replayed")
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(AsgdError, match=r"workers: execution = replayed needs the same runs with execution = real"):
        plan_study(load_params(tmp_path / "params.yaml", "workers"), tmp_path)


@needs_ray
def test_a_replay_belongs_to_its_recording(tmp_path: Path) -> None:
    """Trained together, as the pipeline does; then the real run is trained again, and comes out otherwise."""
    store = tmp_path / "results" / "runs"
    orders = [
        Order(run=RUN.model_copy(update={"execution": name}), data=DATA).to_json() for name in ("real", "replayed")
    ]

    def train(lines: list[str]) -> None:
        command = [sys.executable, "-m", "asgd", "train", "--each", "-"]
        subprocess.run(command, input="\n".join(lines), text=True, check=True, cwd=tmp_path, timeout=300)

    train(orders)
    real, replayed = sorted(store.iterdir())
    assert is_finished(replayed)
    tables = aggregate_runs(map(read_run, [real, replayed]), {"workers": [real.name, replayed.name]})
    rows = tables["runs"].set_index("execution")
    assert bool(rows.loc["replayed", "replayed_identical"])
    assert sum(json.loads(rows.loc["real", "staleness_counts"]).values()) == 60
    assert 0 < rows.loc["real", "server_share"] < 1
    assert len(tables["arms"]) == 2
    curves = tables["evaluations"].set_index(["run", "epoch"])
    columns = ["test_loss", "time", "staleness_mean"]
    assert curves.loc[real.name, columns].equals(curves.loc[replayed.name, columns])

    elsewhere = shutil.copytree(real, tmp_path / "elsewhere")  # a run has any folder after `asgd train --out`
    assert replay_run(elsewhere, tmp_path / "data") == "identical at 3 evaluations, to 60 gradients"

    shutil.rmtree(real)
    assert not is_finished(replayed)
    train(orders[:1])
    assert not is_finished(replayed)
    with pytest.raises(
        AsgdError, match=r"-replayed-\w+: is a replay of another recording of .*; delete it and train it again"
    ):
        aggregate_runs(map(read_run, [real, replayed]), {})
    train(orders)
    assert is_finished(replayed)
