"""The configuration: what is refused, with which message, and how experiments become runs."""

import copy
import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from asgd.config import AnalysesConfig, Experiment, Run, RunConfig, expand_experiments, load_params, validate
from asgd.errors import AsgdError

ROOT = Path(__file__).parents[1]

PARAMS: dict[str, Any] = {
    "preset": "tiny",
    "presets": {
        "tiny": {
            "data": {"source": "synthetic"},
            "run": {"learning_rate": 0.02},
            "seeds": [0, 1],
            "experiments": {
                "delay": {"num_workers": [1, 2]},
                "momentum": {
                    "num_workers": [1, 2],
                    "variants": [{"momentum": 0.0}, {"momentum": 0.9, "momentum_where": "worker"}],
                },
            },
        }
    },
}


def load(tmp_path: Path, **changes: Any) -> Any:
    """Load PARAMS with values replaced; ``a__b`` names key b under a; the value None removes the key."""
    values = copy.deepcopy(PARAMS)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = values
        for parent in parents:
            place = place[parent]
        if value is None:
            del place[last]
        else:
            place[last] = value
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(values))
    return load_params(file)


def test_experiments_expand_to_products_with_seeds_innermost(tmp_path: Path) -> None:
    runs = expand_experiments(load(tmp_path).selected)
    momentum = [(run.num_workers, run.momentum, run.momentum_where, run.seed) for run in runs["momentum"]]
    arms = [(1, 0.0, "server"), (1, 0.9, "worker"), (2, 0.0, "server"), (2, 0.9, "worker")]
    assert momentum == [(*arm, seed) for arm, seed in itertools.product(arms, [0, 1])]
    assert {run.learning_rate for run in runs["momentum"]} == {0.02}


def test_experiments_share_the_runs_that_both_ask_for(tmp_path: Path) -> None:
    runs = expand_experiments(load(tmp_path).selected)
    names = [{Run.identify(config, "d", "s").name for config in configs} for configs in runs.values()]
    assert names[0] < names[1]


def test_an_experiment_may_have_seeds_of_its_own(tmp_path: Path) -> None:
    params = load(tmp_path, presets__tiny__experiments__delay__seeds=[7])
    assert {run.seed for run in expand_experiments(params.selected)["delay"]} == {7}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prset": "x"}, "unknown key 'prset'; keys allowed here are preset, presets, claims"),
        ({"preset": "large"}, "preset 'large' does not exist; presets are tiny"),
        ({"presets__tiny__data__sorce": 1}, "unknown key 'presets.tiny.data.sorce'"),
        ({"presets__tiny__data__source": "mnist"}, "presets.tiny.data.source = 'mnist'"),
        ({"presets__tiny__data__source": "image_folder"}, "path is missing"),
        ({"presets__tiny__seeds": None}, "presets.tiny.seeds"),
        ({"presets__tiny__seeds": []}, "presets.tiny.seeds"),
        ({"presets__tiny__run__learning_rate": "1e-3"}, "write it as a plain number, 0.001"),
        ({"presets__tiny__run__learning_rate": -1}, "learning_rate = -1"),
        ({"presets__tiny__run__num_wokers": 3}, "unknown key 'num_wokers'; keys allowed here are num_workers"),
        ({"presets__tiny__run__seed": 3}, "give the seeds in `seeds`"),
        ({"presets__tiny__experiments__delay__num_workers": [1, 0]}, "experiments.delay: num_workers = 0"),
        ({"presets__tiny__experiments__delay__num_workers": []}, "experiments.delay.num_workers: the list is empty"),
        ({"presets__tiny__experiments__delay__num_workers": [2, 2]}, "a value stands twice in [2, 2]"),
        ({"presets__tiny__experiments__delay__momentum": 1.0}, "experiments.delay: momentum = 1.0"),
        ({"claims": {"equivalence_points": 0}}, "claims.equivalence_points = 0"),
        ({"claims": {"margin": 1}}, "unknown key 'claims.margin'"),
    ],
)
def test_a_bad_key_or_value_is_named_in_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AsgdError) as error:
        load(tmp_path, **changes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AsgdError, match=r"nowhere\.yaml: cannot be read"):
        load_params(tmp_path / "nowhere.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1, 2")
    with pytest.raises(AsgdError, match=r"broken\.yaml: not valid YAML"):
        load_params(broken)
    broken.write_text("just text")
    with pytest.raises(AsgdError, match="is not a mapping"):
        load_params(broken)


def test_the_shipped_params_are_valid_and_have_the_papers_experiments() -> None:
    params = load_params(ROOT / "params.yaml")
    for name in ("smoke", "paper"):
        assert {"delay", "momentum", "dropout"} <= set(params.presets[name].experiments)
    assert params.presets["smoke"].demonstration
    assert params.presets["smoke"].data.source == "synthetic"


def test_settings_without_effect_do_not_tell_runs_apart() -> None:
    plain = RunConfig(momentum=0.0)
    assert RunConfig(momentum=0.0, momentum_where="worker", momentum_convention="ema") == plain
    assert RunConfig(steps=10, epochs=3.0) == RunConfig(steps=10)


@given(key=st.sampled_from(["num_workers", "batch_size", "steps"]), value=st.integers(2, 10**6))
def test_every_key_is_part_of_the_name(key: str, value: int) -> None:
    changed = validate(RunConfig, {key: value}, "test")
    names = {Run.identify(config, "data", "sources").name for config in (RunConfig(), changed)}
    assert len(names) == (1 if changed == RunConfig() else 2)


def test_data_and_sources_are_part_of_the_name_and_integers_are_numbers() -> None:
    config = RunConfig(learning_rate=1)
    assert Run.identify(config, "a", "s").name != Run.identify(config, "b", "s").name
    assert Run.identify(config, "a", "s").name != Run.identify(config, "a", "t").name
    assert Run.identify(config, "a", "s").name == Run.identify(RunConfig(learning_rate=1.0), "a", "s").name


def test_an_arm_is_all_but_the_seed() -> None:
    assert RunConfig(seed=1).arm() == RunConfig(seed=2).arm() != RunConfig(num_workers=2).arm()


def test_an_experiments_description_is_no_axis() -> None:
    experiment = Experiment.model_validate({"description": "why", "num_workers": [1, 2]})
    assert len(list(experiment.expand("x", {}, [0]))) == 2


def test_the_analyses_are_as_ever_unless_params_say_otherwise() -> None:
    shipped = load_params(ROOT / "params.yaml", "paper-jpeg").selected.analyses
    assert shipped == AnalysesConfig()
    assert shipped.sharpness.epochs == [0, 0.25, 0.5, 1, 2, 3]
    with pytest.raises(AsgdError, match=r"sharpness: epochs = \[1.0, 0.5\]: give them in ascending order"):
        validate(AnalysesConfig, {"sharpness": {"epochs": [1, 0.5]}}, "analyses")
    with pytest.raises(AsgdError, match=r"unknown key 'death\.probes'; keys allowed here are num_probes"):
        validate(AnalysesConfig, {"death": {"probes": 3}}, "analyses")
