"""A run that was killed goes on from its checkpoint, and ends with the very bytes of one that was not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from asgd.data import Dataset, load_data, prepare_data
from asgd.errors import AsgdError
from asgd.runs.checkpoint import Checkpointer, read_checkpoint, write_checkpoint
from asgd.runs.folder import format_metrics
from asgd.runs.train import Watcher, train_run
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.simulator.continuation import Checkpoint
from asgd.simulator.simulate import Row
from tests.kill_campaign import run_campaign

SETTINGS = {"epochs": 3, "num_workers": 5, "learning_rate": 0.02, "dropout": 0.2, "train_eval_images": 40}
MOMENTUM = {"momentum": 0.5, "momentum_where": "worker"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    data = DataConfig(source="synthetic", num_train=120, num_test=40)
    return load_data(prepare_data(data, tmp_path_factory.mktemp("data")))


class KilledError(Exception):
    """What kills a run here; real signals are for the campaign."""


class Killer(Watcher):
    """Kills the run a little after ``step``, and notes from where it went on."""

    def __init__(self, step: int | None = None) -> None:
        self.step, self.resumed_at = step, 0

    def on_row(self, row: Row) -> None:
        if self.step is not None and row.step > self.step:
            raise KilledError

    def on_resume(self, row: Row) -> None:
        self.resumed_at = row.step


def train(config: RunConfig, dataset: Dataset, checkpointer: Checkpointer | None, killer: Killer | None = None) -> str:
    return format_metrics(train_run(config, dataset, killer, checkpointer=checkpointer).rows)


def interrupted(config: RunConfig, dataset: Dataset, path: Path, kills: Iterator[int] | list[int]) -> list[int]:
    """Start and kill the run at each of ``kills``; returns the steps from which it went on."""
    resumed = []
    for step in kills:
        killer = Killer(step)
        with pytest.raises(KilledError):
            train(config, dataset, Checkpointer(path, 0), killer)
        resumed.append(killer.resumed_at)
    return resumed


@pytest.mark.parametrize("engine", ["fused", "reference"])
@pytest.mark.parametrize("settings", [{}, MOMENTUM, {"pools": 1, "output_relu": False}], ids=str)
def test_a_run_killed_again_and_again_ends_with_the_same_bytes(
    dataset: Dataset, tmp_path: Path, engine: str, settings: dict
) -> None:
    config = RunConfig(engine=engine, **SETTINGS, **settings)
    whole = train(config, dataset, None)
    path = tmp_path / "run.npz"
    assert interrupted(config, dataset, path, [0, 20, 45, 45]) == [0, 0, 15, 45]
    killer = Killer()
    assert train(config, dataset, Checkpointer(path, 0), killer) == whole
    assert killer.resumed_at == 45


def test_seconds_add_up(dataset: Dataset, tmp_path: Path) -> None:
    config, path = RunConfig(**SETTINGS), tmp_path / "run.npz"
    interrupted(config, dataset, path, [45])
    saved = read_checkpoint(path)
    write_checkpoint(path, type(saved)(saved.rows, saved.engine, saved.backend, 1000.0))
    assert 1000 < train_run(config, dataset, checkpointer=Checkpointer(path)).record["wall_seconds"] < 1100


def test_checkpoints_are_taken_only_so_often(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    with pytest.raises(KilledError):
        train(RunConfig(**SETTINGS), dataset, Checkpointer(path, every_seconds=3600), Killer(45))
    assert not path.exists()


def test_a_dying_run_that_is_killed_dies_at_the_same_step(dataset: Dataset, tmp_path: Path) -> None:
    config = RunConfig(**{**SETTINGS, "learning_rate": 3.0, "epochs": 20})
    whole = train_run(config, dataset)
    assert whole.record["stopped_early"]
    path = tmp_path / "run.npz"
    last = whole.rows[-2].step
    for step in range(0, last, 15):
        with pytest.raises(KilledError):
            train(config, dataset, Checkpointer(path, 0), Killer(step))
    assert train(config, dataset, Checkpointer(path, 0)) == format_metrics(whole.rows)


@pytest.fixture
def stopped(dataset: Dataset, tmp_path: Path) -> tuple[RunConfig, Path, str]:
    """A run that was killed, the file of its checkpoint, and what it ends with if nothing goes wrong."""
    config, path = RunConfig(**SETTINGS), tmp_path / "run.npz"
    interrupted(config, dataset, path, [45])
    return config, path, train(config, dataset, None)


def expect_from_the_beginning(config: RunConfig, dataset: Dataset, path: Path, whole: str) -> str:
    """The run starts again and ends well; returns the one warning that says why."""
    killer = Killer()
    with pytest.warns(UserWarning, match="not a usable checkpoint") as warned:
        assert train(config, dataset, Checkpointer(path, 3600), killer) == whole
    assert killer.resumed_at == 0
    (message,) = (str(warning.message) for warning in warned if "cannot be written" not in str(warning.message))
    assert message.startswith(f"{path}: not a usable checkpoint (")
    assert message.endswith("; the run starts again from the beginning")
    return message


HARMS: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[: len(content) // 2],
    "changed": lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
    "longer": lambda content: content + b"\0",
    "text": lambda content: b"not a checkpoint",
    "empty": lambda content: b"",
    # A header of an archive or an array that promises more than there is.
    "huge": lambda content: content.replace(b"'shape': (", b"'shape': (9999999999999, "),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_checkpoint_is_named_and_the_run_starts_again(
    dataset: Dataset, stopped: tuple[RunConfig, Path, str], harm: str
) -> None:
    config, path, whole = stopped
    path.write_bytes(HARMS[harm](path.read_bytes()))
    expect_from_the_beginning(config, dataset, path, whole)


def test_no_flipped_byte_of_a_checkpoint_is_read(dataset: Dataset, tmp_path: Path) -> None:
    """Headers, arrays and checksum alike; a finished run's is small enough for every byte."""
    path, finished = tmp_path / "run.npz", tmp_path / "finished.npz"
    config = RunConfig(**SETTINGS, engine="reference")
    interrupted(config, dataset, path, [45])
    train(config, dataset, Checkpointer(finished, 0))
    for file, step in ((finished, 1), (path, 29989)):
        whole = file.read_bytes()
        assert read_checkpoint(file).rows
        for position in range(0, len(whole), step):
            flipped = bytearray(whole)
            flipped[position] ^= 1 << position % 8
            file.write_bytes(flipped)
            with pytest.raises(AsgdError, match="not a usable checkpoint"):
                read_checkpoint(file)


def test_a_checkpoint_whose_weights_were_changed_is_not_used(
    dataset: Dataset, stopped: tuple[RunConfig, Path, str]
) -> None:
    """A sound archive, in which one weight is another."""
    config, path, whole = stopped
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    (name,) = (name for name in arrays if name.endswith("ring"))
    arrays[name][7] += 1
    np.savez(path, **arrays)
    assert "its checksum is wrong" in expect_from_the_beginning(config, dataset, path, whole)


def test_the_checkpoint_of_another_run_is_not_used(dataset: Dataset, stopped: tuple[RunConfig, Path, str]) -> None:
    config, path, whole = stopped
    interrupted(config.model_copy(update={"seed": 1}), dataset, path.with_name("other.npz"), [45])
    path.with_name("other.npz").replace(path)
    assert "of another run" in expect_from_the_beginning(config, dataset, path, whole)


def test_a_folder_in_place_of_a_checkpoint_costs_only_time(
    dataset: Dataset, stopped: tuple[RunConfig, Path, str]
) -> None:
    config, path, whole = stopped
    path.unlink()
    (path / "inside").mkdir(parents=True)
    assert "Is a directory" in expect_from_the_beginning(config, dataset, path, whole)
    with pytest.warns(UserWarning, match="cannot be removed"):
        Checkpointer(path).discard()


def test_the_checkpoint_of_other_kernels_is_not_used(dataset: Dataset, tmp_path: Path) -> None:
    config, path = RunConfig(**SETTINGS, engine="fused"), tmp_path / "run.npz"
    checkpointer = Checkpointer(path, 0)
    with pytest.raises(KilledError):
        train_run(config, dataset, Killer(45), "plain", checkpointer)
    saved = read_checkpoint(path)
    write_checkpoint(path, type(saved)(saved.rows, saved.engine, "other", saved.seconds))
    with pytest.warns(UserWarning, match="of backend other, not plain"):
        train_run(config, dataset, None, "plain", checkpointer)


def test_what_a_killed_writer_left_is_removed(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / ".run-abcdefgh.npz").write_bytes(b"half")
    (tmp_path / ".other-abcdefgh.npz").write_bytes(b"another's")
    Checkpointer(tmp_path / "run.npz").load("vector")
    assert [path.name for path in tmp_path.iterdir()] == [".other-abcdefgh.npz"]


def test_a_state_survives_the_file_bit_for_bit(dataset: Dataset, tmp_path: Path) -> None:
    config, path = RunConfig(**SETTINGS, **MOMENTUM, engine="reference"), tmp_path / "run.npz"
    interrupted(config, dataset, path, [45])
    saved = read_checkpoint(path)
    write_checkpoint(tmp_path / "again.npz", saved)
    again = read_checkpoint(tmp_path / "again.npz")
    assert np.array_equal(again.engine["server"]["velocities"], saved.engine["server"]["velocities"])
    assert again.engine["course"]["ledger"] == saved.engine["course"]["ledger"]
    assert format_metrics(again.rows) == format_metrics(saved.rows)


@pytest.mark.slow
def test_jobs_killed_by_signals_end_with_the_same_bytes(tmp_path: Path) -> None:
    """The short version of ``python -m tests.kill_campaign``."""
    for _, _, tally in run_campaign(8, tmp_path, kinds=["fused", "batch"]):
        assert tally.kills >= 2
        assert tally.resumed > 0
        assert tally.identical == tally.jobs
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    assert not list((tmp_path / "checkpoints").iterdir())


KINDS: dict[str, dict] = {
    "random": {"schedule": "random", "momentum": 0.9, "momentum_where": "worker"},
    "latency": {"schedule": "latency", "slow_share": 0.5, "slow_factor": 3.0, "update": "dc_adaptive"},
    "discard": {"schedule": "latency", "policy": "discard", "max_staleness": 4, "stop": True},
    "synchronous": {"schedule": "latency", "policy": "synchronous", "backups": 1, "update": "adagrad"},
    "gap_aware": {"update": "gap_aware", "momentum": 0.5},
    "look_ahead": {"update": "look_ahead", "momentum": 0.9, "momentum_where": "worker", "schedule": "random"},
    "full batch": {"batch_size": "full", "num_images": 40, "epochs": 40},
}


@pytest.mark.parametrize("engine", ["fused", "reference"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_ends_with_the_same_bytes(dataset: Dataset, tmp_path: Path, engine: str, kind: str) -> None:
    config = RunConfig(**{**SETTINGS, "engine": engine, "num_workers": 5, **KINDS[kind]})
    whole = train(config, dataset, None)
    path = tmp_path / "run.npz"
    interrupted(config, dataset, path, [4, 12])
    killer = Killer()
    assert train(config, dataset, Checkpointer(path, 0), killer) == whole
    assert killer.resumed_at > 0


def test_a_checkpoint_of_an_earlier_version_costs_only_time(dataset: Dataset, tmp_path: Path) -> None:
    """A run keeps its name over changes of what its engine keeps."""
    config, path = RunConfig(**SETTINGS), tmp_path / "run.npz"
    whole = train(config, dataset, None)
    interrupted(config, dataset, path, [45])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asgd.runs.checkpoint._FORMAT", 1)
        write_checkpoint(path, Checkpoint.none("vector"))
    with pytest.warns(UserWarning, match=r"of another version.*the run starts again"):
        assert train(config, dataset, Checkpointer(path, 0)) == whole
