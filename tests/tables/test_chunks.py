"""Tables made some arms at a time are those that are made at once; and what they are written to, Parquet."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asgd.data import load_data, prepare_data
from asgd.errors import AsgdError
from asgd.files import read_json
from asgd.runs.folder import format_run, read_run, write_run
from asgd.runs.train import train_run
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.tables import chunks
from asgd.tables.aggregate import Read, aggregate_runs
from asgd.tables.chunks import aggregate_arms, cut_arms
from asgd.tables.columns import AGGREGATED, find_later
from asgd.tables.environment import Environment, describe_records
from asgd.tables.files import append_table, format_table, hash_contents, read_table, write_table
from tests.run_folders import write_run as write_fake

#: Arms whose runs differ in what they have: none at all, numbers, words, truth values; runs to their ends and not.
ARMS: list[dict[str, Any]] = [
    {},
    {"num_workers": 3, "steps": 60},
    {"schedule": "latency", "policy": "discard", "max_staleness": 3, "num_workers": 6, "stop": True},
    {"batch_size": "full", "num_images": 40, "epochs": 4.0},
    {"learning_rate": 1e9},
]


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    root = tmp_path_factory.mktemp("runs")
    dataset = load_data(prepare_data(DataConfig(source="synthetic", num_train=120, num_test=40), root / "data"))

    def train(**settings: Any) -> Path:
        result = train_run(RunConfig(**{"epochs": 3.0, "train_eval_images": 0, **settings}), dataset)
        folder = root / result.record["run"]
        write_run(format_run(result), folder)
        return folder

    return [[train(seed=seed, **arm) for seed in range(3)] for arm in ARMS]


def list_later(arms: Sequence[Sequence[Path]]) -> list[str]:
    found = set().union(*(find_later(read_run(folders[0])[0]["config"]) for folders in arms))
    return [key for key in RunConfig.later_keys() if key in found]


def aggregate_in(folder: Path, arms: Sequence[Sequence[Path]], experiments: dict[str, list[str]]) -> None:
    """Write all tables of the runs to ``folder``, by ``aggregate_arms``."""
    store = {path.name: path for paths in arms for path in paths}

    def read(names: Sequence[str]) -> Iterator[Read]:
        return (read_run(store[name]) for name in names)

    parts: dict[str, list[pd.DataFrame]] = {name: [] for name, table in AGGREGATED.items() if table.grows}
    names = [[path.name for path in paths] for paths in arms]
    tables = aggregate_arms(names, read, experiments, list_later(arms), lambda name, rows: parts[name].append(rows))
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table)
    for name, some in parts.items():
        with append_table(folder / f"{name}.parquet", AGGREGATED[name].key) as append:
            for rows in some:
                append(rows)


@pytest.mark.parametrize("at_a_time", [1, 7, 500])
def test_tables_do_not_depend_on_how_many_arms_are_read_at_a_time(
    arms: list[list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    folders = [folder for paths in arms for folder in paths]
    assert {read_run(folder)[0]["outcome"] for folder in folders} >= {"non_finite"}
    experiments = {"all": [folder.name for folder in folders], "some": [paths[1].name for paths in arms[:3]]}
    monkeypatch.setattr(chunks, "cut_arms", lambda names: cut_arms(names, at_a_time))
    monkeypatch.setattr("asgd.tables.parquet._ROWS", 20)  # so that types turn out wider when some are written
    aggregate_in(tmp_path, arms, experiments)
    for name, table in aggregate_runs(map(read_run, folders), experiments).items():
        if AGGREGATED[name].grows:
            write_table(tmp_path / "expected.csv", table)
            expected = read_table(tmp_path / "expected.csv")
            pd.testing.assert_frame_equal(read_table(tmp_path / f"{name}.parquet"), expected, check_exact=True)
            write_table(tmp_path / "whole.parquet", table)
            assert hash_contents(tmp_path / "whole.parquet") == hash_contents(tmp_path / f"{name}.parquet")
        else:
            assert (tmp_path / f"{name}.csv").read_text(encoding="utf-8") == format_table(table)


def test_arms_are_cut_whole() -> None:
    arms = [["a1", "a2"], ["b1"], ["c1", "c2", "c3", "c4", "c5"], ["d1"]]
    assert list(cut_arms(arms, 3)) == [["a1", "a2", "b1"], ["c1", "c2", "c3", "c4", "c5"], ["d1"]]
    assert list(cut_arms([])) == []


def test_runs_of_other_images_are_not_mixed_though_they_are_read_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = [[write_fake(tmp_path / "runs")], [write_fake(tmp_path / "runs", num_workers=3, data="3" * 64)]]
    monkeypatch.setattr(chunks, "cut_arms", lambda names: cut_arms(names, 1))
    with pytest.raises(AsgdError, match="have different images of one source"):
        aggregate_in(tmp_path, arms, {})


def test_an_environment_is_gathered_as_runs_pass(tmp_path: Path) -> None:
    folders = [write_fake(tmp_path, seed=seed) for seed in range(3)]
    environment = Environment()
    assert len(list(environment.watch(map(read_run, folders)))) == 3
    assert environment.describe() == describe_records(read_json(folder / "run.json") for folder in folders)
    assert environment.describe()["total_steps"] == 300
