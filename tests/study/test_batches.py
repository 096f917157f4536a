"""How runs are cut into jobs."""

from pathlib import Path
from typing import Any

import pytest

from asgd.settings.data import DataConfig
from asgd.settings.order import Order
from asgd.settings.run import Run, RunConfig
from asgd.settings.study import load_params
from asgd.settings.workflow import MOST_RUNS
from asgd.study.batches import START, START_ON_CLUSTER, cut_batches
from asgd.study.plan import plan_study
from tests.pipeline import ROOT

SYNTHETIC = DataConfig(source="synthetic", num_train=4000)
IMAGES = DataConfig(source="image_folder", path="images", sha256="a" * 64)


def make_runs(number: int, **settings: Any) -> list[Run]:
    configs = [RunConfig(seed=seed, **settings) for seed in range(number)]
    return [Run.identify(config, "data", "sources") for config in configs]


def sizes(*arguments: Any) -> list[int]:
    return [len(batch) for batch in cut_batches(*arguments)]


def test_a_run_is_in_one_job_and_in_its_order() -> None:
    runs = make_runs(45, epochs=3)
    for cores in (None, 1, 2, 7, 64):
        batches = cut_batches(runs, SYNTHETIC, "auto", START, cores)
        assert [run for batch in batches for run in batch] == runs


def test_a_number_is_the_size_of_a_job() -> None:
    assert sizes(make_runs(5), SYNTHETIC, 2, START, 8) == [2, 2, 1]


def test_short_runs_share_a_job_and_long_ones_do_not() -> None:
    short, long = make_runs(30, epochs=1), make_runs(30, epochs=10)
    assert set(sizes(long, IMAGES, "auto", START, 2)) == {1}
    assert sizes(short, IMAGES, "auto", START, 2)[0] > 1
    assert sizes(make_runs(300, epochs=0.01), IMAGES, "auto", START) == [100, 100, 100]
    assert sizes(long[:1], IMAGES, "auto", START, 2) == [1]
    assert sizes([], IMAGES, "auto", START, 2) == []


@pytest.mark.parametrize("cores", [1, 2, 4, 64])
def test_every_core_has_work(cores: int) -> None:
    runs = make_runs(48, epochs=3)
    assert len(cut_batches(runs, SYNTHETIC, "auto", START, cores)) >= min(cores, len(runs))


def test_a_job_starts_longer_on_a_cluster_and_has_more_runs() -> None:
    runs = make_runs(200, epochs=3)
    assert sizes(runs, IMAGES, "auto", START_ON_CLUSTER)[0] > 5 * sizes(runs, IMAGES, "auto", START)[0]


def test_the_largest_job_of_the_study_fits_in_a_command(tmp_path: Path) -> None:
    """Linux takes 128 kB as one argument."""
    params = load_params(ROOT / "params.yaml", "paper-jpeg")
    runs = list(plan_study(params, tmp_path).runs.values())
    data = params.selected.data
    lines = [Order(run=run.config, data=data, out=f"results/runs/{run.name}").to_json() for run in runs]
    assert MOST_RUNS * max(map(len, lines)) < 120_000
