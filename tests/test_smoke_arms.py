"""The demonstration's arms beyond the paper: one of each kind, each with what its kind should show."""

from typing import Any

import pytest

from asgd.data import Dataset, load_data, prepare_data
from asgd.runs.folder import Result
from asgd.runs.train import train_run
from asgd.settings.network import list_networks
from asgd.settings.policy import list_policies
from asgd.settings.run import RunConfig
from asgd.settings.schedule import list_schedules
from asgd.settings.study import expand_experiments, load_params
from asgd.settings.update import list_updates
from tests.pipeline import ROOT

BEYOND = ("schedules", "policies", "updates", "networks")


def list_arms() -> dict[str, RunConfig]:
    preset = load_params(ROOT / "params.yaml", "smoke").selected
    return {config.slug(): config for name in BEYOND for config in expand_experiments(preset)[name]}


ARMS = list_arms()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    preset = load_params(ROOT / "params.yaml", "smoke").selected
    dataset: Dataset = load_data(prepare_data(preset.data, tmp_path_factory.mktemp("data")))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # where the trace is
        return {name: train_run(config, dataset) for name, config in ARMS.items()}


def test_there_is_an_arm_of_each_kind() -> None:
    seen = {key: {getattr(config, key) for config in ARMS.values()} for key in RunConfig.choices()}
    assert seen["schedule"] == set(list_schedules())
    assert seen["policy"] == set(list_policies())
    assert seen["update"] == set(list_updates())
    assert seen["network"] == set(list_networks()) - {"resnet20"}
    assert "full" in {config.batch_size for config in ARMS.values()}


@pytest.mark.parametrize("name", ARMS)
def test_gradients_are_counted(results: dict[str, Result], name: str) -> None:
    record, last = results[name].record, results[name].rows[-1]
    assert sum(record["gradients"].values()) == last.gradients == record["total_steps"]
    assert record["outcome"] != "non_finite"


@pytest.mark.parametrize("name", [name for name, config in ARMS.items() if config.policy == "every"])
def test_staleness_is_as_the_schedule_says(results: dict[str, Result], name: str) -> None:
    """m - 1 on average, less the workers' ages at the end; constant for round robin, geometric for random workers."""
    config, found = ARMS[name], results[name].record["staleness"]
    m, total = config.num_workers, results[name].record["total_steps"]
    assert 0.85 * (m - 1) - m * m / total <= found["mean"] <= m - 1
    if config.schedule == "round_robin":
        assert found["max"] == m - 1
    else:
        assert found["max"] > m - 1
    if config.schedule == "random":
        assert found["std"] == pytest.approx((m * (m - 1)) ** 0.5, rel=0.25)


@pytest.mark.parametrize("name", [name for name, config in ARMS.items() if config.policy != "every"])
def test_policies_apply_what_they_should(results: dict[str, Result], name: str) -> None:
    config, record = ARMS[name], results[name].record
    counts: dict[str, Any] = record["gradients"]
    if config.policy == "discard":
        assert counts["cancelled" if config.stop else "discarded"] > 0
        assert record["staleness"]["max"] < 10
    else:
        assert record["staleness"]["max"] == 0
        assert record["last_step"] == counts["applied"] // 6
        assert counts["cancelled"] == pytest.approx(counts["applied"] / 3, abs=8)


@pytest.mark.parametrize("name", [name for name, config in ARMS.items() if config.update not in ("sgd", "adagrad")])
def test_corrections_are_not_zero(results: dict[str, Result], name: str) -> None:
    sizes = [row.correction for row in results[name].rows if row.correction == row.correction]
    if ARMS[name].update == "look_ahead":  # it changes what workers are sent, not their gradients
        assert sizes == []
    else:
        assert len(sizes) == 4
        assert max(sizes) > 1e-3
