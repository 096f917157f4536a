"""The configuration: what is refused, with which message, and how experiments become runs."""

import copy
import hashlib
import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from asgd.errors import AsgdError
from asgd.settings.analyses import AnalysesConfig
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import Run, RunConfig
from asgd.settings.study import Experiment, Preset, expand_experiments, load_params
from asgd.settings.validation import validate
from asgd.simulator.streams import MASK_LEVELS, dropout_threshold

ROOT = Path(__file__).parents[2]

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
        ({"preset": "large"}, "preset 'large' does not exist; the presets are tiny"),
        ({"presets__tiny__earlier": "tiny"}, "presets.tiny.earlier = 'tiny': not another preset; there is no other"),
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
        ({"presets__tiny__experiments__delay__num_workers": []}, "experiments.delay: num_workers: the list is empty"),
        ({"presets__tiny__experiments__delay__num_workers": [2, 2]}, "a value is given twice in [2, 2]"),
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


TEXT = """\
preset: tiny
presets:
  tiny:
    data: {source: synthetic}
    seeds: [0, 1]
    experiments:
      delay: {num_workers: [1, 2]}
"""


def load_text(tmp_path: Path, text: str | bytes) -> Any:
    file = tmp_path / "params.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_params(file)


def refuse(tmp_path: Path, text: str | bytes) -> str:
    """The one line that a file of this text gets, without the file's name."""
    with pytest.raises(AsgdError) as error:
        load_text(tmp_path, text)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'params.yaml'}: ")
    assert "\n" not in message
    assert len(message) < 600
    return message.removeprefix(f"{tmp_path / 'params.yaml'}: ")


NOT_AS_WRITTEN = {
    "a seed as an axis": ("{seed: [3, 4]}", "seed: each run has its own seed; give the seeds in `seeds`"),
    "a seed in a variant": ("{variants: [{seed: 3}]}", "give the seeds in `seeds`"),
    "a key twice": (
        "{num_workers: 1, num_workers: 2}",
        "line 7: the key 'num_workers' is given twice, first in line 7",
    ),
    "a key twice in a variant": ("{variants: [{pools: 1, pools: 2}]}", "the key 'pools' is given twice"),
    "two merges": ("{<<: {pools: 1}, <<: {pools: 2}}", "the key '<<' is given twice"),
    "a seed twice": ("{seeds: [7, 7]}", "delay.seeds: a value is given twice in [7, 7]"),
    "a variant twice": ("{variants: [{momentum: 0}, {momentum: 0.0}]}", "variants: a variant is given twice"),
    "a value twice": ("{learning_rate: [1, 1.0]}", "a value is given twice in [1, 1.0]"),
    "an axis in a variant": ("{pools: [1], variants: [{}, {pools: 2}]}", "pools is given as an axis and in variants"),
    "a list in a variant": ("{variants: [{num_workers: [1, 2]}]}", "num_workers = [1, 2]: Input should be a valid int"),
    "true as a number": ("{num_workers: true}", "num_workers is true; write a number"),
    "true as a seed": ("{seeds: [true]}", "seeds is true; write a number"),
    "true as a choice": ("{pools: true}", "pools is true; write a number"),
    "a number as true": ("{output_relu: 1}", "output_relu is 1; write true or false"),
    "text as true": ("{output_relu: 'no'}", "output_relu is 'no'; write true or false"),
    "text as a seed": ("{seeds: ['3']}", "seeds is the text '3'; write it as a plain number, 3"),
    "octal": ("{num_workers: 010}", "'010' is not a plain decimal number"),
    "base sixty": ("{steps: 1:30}", "'1:30' is not a plain decimal number"),
    "an exponent without a point": ("{learning_rate: 1e-05}", "write it as a plain number, 1.0e-05"),
    "a date": ("{device: 2024-01-01}", "'2024-01-01' is of the kind 'timestamp'"),
    "a set": ("{device: !!set {a, b}}", "is of the kind 'set'"),
    "bytes": ("{device: !!binary aGk=}", "is of the kind 'binary'"),
    "an object": ("{device: !!python/object:os.system x}", "is of the kind 'python/object:os.system'"),
    "no boolean": ("{output_relu: !!bool x}", "'x' is neither true nor false"),
    "a number as a key": ("{3: 1}", "the key '3' is not text"),
    "a long number": (f"{{num_workers: {'9' * 5000}}}", "a whole number of 5,000 digits"),
    "a null character": ('{device: "a\\0"}', "the invisible character U+0000"),
    "half a character": ('{device: "\\uD800"}', "the invisible character U+D800"),
    "itself": ("&a {num_workers: [*a]}", "a value that contains itself"),
    "many levels": (f"{{num_workers: {'[' * 30}{']' * 30}}}", "more than 20 levels deep"),
    "very many levels": ("[" * 20_000, "more than 20 levels deep"),
    "dropout of all": ("{dropout: 0.999999}", "dropout = 0.999999: Input should be less than or equal to 0.99999"),
    "dropout of none": ("{dropout: 0.000001}", "dropout: 1e-06 would be rounded to 0"),
    "a momentum of 1": ("{momentum: 0.999999999}", "momentum = 0.999999999"),
    "a rate of infinity": ("{learning_rate: 1.0e+39}", "learning_rate = 1e+39"),
    "a rate of 0": ("{learning_rate: 1.0e-39}", "learning_rate = 1e-39"),
    "too many workers": ("{num_workers: 100000000000000}", "num_workers = 100000000000000"),
    "too many epochs": ("{epochs: 1.0e+300}", "epochs = 1e+300"),
    "too many evaluations": ("{epochs: 1000, evaluations_per_epoch: 10000}", "more than 1,000,000 evaluations"),
    "too many steps": (f"{{steps: 1{'0' * 29}}}", "steps = 1"),
    "too large a batch": ("{batch_size: 1000000000000}", "batch_size = 1000000000000"),
}


@pytest.mark.parametrize("case", NOT_AS_WRITTEN)
def test_what_would_not_run_as_it_is_written_is_refused(tmp_path: Path, case: str) -> None:
    written, message = NOT_AS_WRITTEN[case]
    assert message in refuse(tmp_path, TEXT.replace("{num_workers: [1, 2]}", written))


def test_the_bounds_are_what_the_engines_can_represent() -> None:
    for rate in (0.00001, 0.99999):
        assert 0 < dropout_threshold(validate(RunConfig, {"dropout": rate}, "test").dropout) < MASK_LEVELS
        assert 0 < np.float32(validate(RunConfig, {"momentum": rate}, "test").momentum) < 1
    for rate in (1e-30, 1e30):
        stored = np.float32(validate(RunConfig, {"learning_rate": rate}, "test").learning_rate)
        assert stored > np.finfo(np.float32).tiny
        assert math.isfinite(stored)


def test_a_setting_that_every_experiment_replaces_must_be_right_too(tmp_path: Path) -> None:
    text = TEXT.replace("    seeds:", "    run: {num_workers: 0}\n    seeds:")
    assert refuse(tmp_path, text).startswith("presets.tiny.run: num_workers = 0")


def test_what_is_merged_may_be_replaced_and_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    more = "  other:\n    <<: *tiny\n    seeds: [5]\n"
    text = "\ufeff" + TEXT.replace("  tiny:\n", "  tiny: &tiny\n") + more
    params = load_text(tmp_path, text)
    assert params.presets["other"].seeds == [5]
    assert params.presets["other"].experiments == params.presets["tiny"].experiments


BOMB = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("utf-16"), "is not UTF-8 (byte 0xff at position 0); save it in that encoding"),
        (TEXT.encode("utf-16-le"), "not valid YAML: unacceptable character #x0000"),
        (f"{TEXT}# caf\u00e9".encode("latin-1"), "is not UTF-8 (byte 0xe9"),
        (f"{TEXT}\0", "unacceptable character #x0000"),
        (BOMB + TEXT, "more than 1,000,000 values, with all aliases written out"),
        ("preset: tiny\n" + TEXT, "line 2: the key 'preset' is given twice, first in line 1"),
        (f"{TEXT}claims: {{slow_workers: [1, 1]}}", "claims.slow_workers: a value is given twice"),
        (f"{TEXT}claims: {{gap_workers: [10, 1]}}", "claims.gap_workers: [10, 1]: the first must be smaller"),
        (f"{TEXT}claims: {{gap_points: [8.0, 2.0]}}", "claims.gap_points: [8.0, 2.0]: the first must be smaller"),
        (TEXT.replace("source: synthetic", "path: ''"), "data.path = ''"),
    ],
)
def test_an_unusual_file_gets_one_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert message in refuse(tmp_path, content)


def test_a_grid_is_counted_before_it_is_made(tmp_path: Path) -> None:
    values = list(range(1, 2001))
    grid = f"{{num_workers: {values}, batch_size: {values}, steps: {values}}}"
    message = refuse(tmp_path, TEXT.replace("{num_workers: [1, 2]}", grid))
    assert message == "presets.tiny has 16,000,000,000 runs; take fewer, or raise max_runs = 200,000"
    assert "has 4 runs" in refuse(tmp_path, f"{TEXT}max_runs: 3")
    assert load_text(tmp_path, f"{TEXT}max_runs: 4").max_runs == 4


@pytest.mark.parametrize("name", ["../../evil", "a/b", "a b", ".a", "a.", "-a", "a;b", "x" * 101, "caf\u00e9", ""])
def test_names_are_those_of_folders_and_flags(tmp_path: Path, name: str) -> None:
    for kind, place in (("a preset", "  tiny:"), ("an experiment", "      delay:")):
        text = TEXT.replace(place, place.replace(place.strip(), f'"{name}":'))
        assert f"cannot be the name of {kind}: use at most 100 letters" in refuse(tmp_path, text)
    assert load_text(tmp_path, TEXT.replace("tiny", "A_1-x.y")).preset == "A_1-x.y"


@pytest.mark.parametrize("name", ["runs", "batches", "batches.json", "Kept", "checkpoints", "benchmark.json"])
def test_a_preset_takes_the_place_of_nothing_else_in_results(tmp_path: Path, name: str) -> None:
    assert f"results/{name} has another use" in refuse(tmp_path, TEXT.replace("tiny", name))


def test_a_description_is_one_that_the_report_prints(tmp_path: Path) -> None:
    described = TEXT.replace("    seeds:", '    description: "WORDS"\n    seeds:')
    words = "\u03b7 \u2248 0.1, na\u00efve \u2013 2024"
    assert load_text(tmp_path, described.replace("WORDS", words)).selected.description == words
    assert load_text(tmp_path, described.replace("WORDS", "2024")).selected.description == "2024"
    message = refuse(tmp_path, described.replace("WORDS", "a study \u4e2d"))
    assert message.startswith("presets.tiny.description: the report cannot print U+4E2D (CJK UNIFIED IDEOGRAPH-4E2D)")


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


ARMS: list[dict[str, Any]] = [
    {},
    {"num_workers": 10, "momentum": 0.9, "momentum_where": "worker", "dropout": 0.5},
    {"schedule": "replay", "trace": '{"seed": 1, "trace": "}}"}', "trace_sha256": "0" * 64},
    {"probes": {"sharpness": {"epochs": [0, 1]}}, "execution": "real"},
    {"update": "my_seed1.py", "batch_size": "full", "steps": 5},
]


@pytest.mark.parametrize("settings", ARMS)
def test_the_runs_of_an_arm_have_the_names_that_each_has_alone(settings: dict[str, Any]) -> None:
    arm, seeds = validate(RunConfig, {**settings, "seed": 3}, "arm"), [3, 0, 2**63 - 1]
    runs = Run.identify_arm(arm, seeds, "data", "sources")
    assert [run.config for run in runs] == [validate(RunConfig, {**settings, "seed": seed}, "run") for seed in seeds]
    for run in runs:
        key = {"config": run.config.hashed(), "data": "data", "sources": "sources"}
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        assert run.name == f"{run.config.slug()}-{digest[:12]}"
        assert f"-seed{run.config.seed}" in run.name


def test_an_arm_is_all_but_the_seed() -> None:
    assert RunConfig(seed=1).arm() == RunConfig(seed=2).arm() != RunConfig(num_workers=2).arm()


def test_the_arms_of_a_preset_are_those_of_its_runs(tmp_path: Path) -> None:
    preset = load(tmp_path, presets__tiny__experiments__delay__seeds=[7, 8]).selected
    runs = expand_experiments(preset)
    assert [run for run in runs["delay"] if run.seed == 7] == preset.arms["delay"]
    assert [run for run in runs["momentum"] if run.seed == 0] == preset.arms["momentum"]
    other = preset.model_copy(update={"run": {"learning_rate": 0.5}})
    assert {arm.learning_rate for arm in other.arms["delay"]} == {0.5}
    assert {arm.learning_rate for arm in preset.arms["delay"]} == {0.02}


def test_a_bad_value_in_a_preset_that_is_not_to_run_is_found_too(tmp_path: Path) -> None:
    bad = "  other:\n    <<: *tiny\n    experiments: {delay: {num_workers: [1, 2]}, wide: {num_workers: [4, 0]}}\n"
    message = refuse(tmp_path, TEXT.replace("  tiny:\n", "  tiny: &tiny\n") + bad)
    assert message.startswith("presets.other.experiments.wide: num_workers = 0: Input should be greater than")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "csv"),
        ({"runs_per_batch": 1}, "parquet"),
        ({"runs_per_batch": 1000, "tables": "csv"}, "csv"),
        ({"tables": "parquet"}, "parquet"),
    ],
)
def test_tables_are_parquet_where_runs_are_in_batches_or_it_is_asked_for(keys: dict[str, Any], expected: str) -> None:
    plain = PARAMS["presets"]["tiny"]
    preset = validate(Preset, {**plain, **keys}, "preset")
    assert preset.table_format == expected
    assert preset.model_dump() == validate(Preset, plain, "preset").model_dump()  # it is the same study


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("runs_per_batch: 0", "presets.tiny.runs_per_batch = 0: Input should be greater than or equal to 1"),
        ("runs_per_batch: 1001", "presets.tiny.runs_per_batch = 1001: Input should be less than or equal to 1000"),
        ("runs_per_batch: 2.5", "presets.tiny.runs_per_batch = 2.5: Input should be a valid integer"),
        ("runs_per_batch: true", "presets.tiny: runs_per_batch is true; write a number"),
        ("tables: xlsx", "presets.tiny.tables = 'xlsx': Input should be 'csv' or 'parquet'"),
    ],
)
def test_an_unknown_way_to_store_results_is_refused(tmp_path: Path, keys: str, message: str) -> None:
    assert refuse(tmp_path, TEXT.replace("    seeds:", f"    {keys}\n    seeds:")).startswith(message)


def test_an_experiments_description_is_no_axis() -> None:
    experiment = Experiment.model_validate({"description": "why", "num_workers": [1, 2]})
    assert len(list(experiment.expand("x", {}, [0]))) == 2


def test_the_analyses_are_as_ever_unless_params_say_otherwise() -> None:
    shipped = load_params(ROOT / "params.yaml", "paper-jpeg").selected.analyses
    assert shipped == AnalysesConfig()
    assert shipped.sharpness.epochs == [0, 0.25, 0.5, 1, 2, 3]
    with pytest.raises(AsgdError, match=r"sharpness.epochs: \[1.0, 0.5\]: give them in ascending order"):
        validate(AnalysesConfig, {"sharpness": {"epochs": [1, 0.5]}}, "analyses")
    with pytest.raises(AsgdError, match=r"unknown key 'death.probes'; keys allowed here are num_probes"):
        validate(AnalysesConfig, {"death": {"probes": 3}}, "analyses")


@pytest.mark.parametrize(
    ("margins", "told"),
    [
        ({"fail_workers": 100_000_000}, "fail_workers: as a run's parameter: num_workers = 100000000: "),
        ({"slow_workers": [0, 10]}, "slow_workers: as a run's parameter: num_workers = 0: "),
        ({"second": {"statements": {"spread_schedule": "radnom"}}}, "second.statements.spread_schedule: as a run's"),
        ({"second": {"statements": {"other_network": "resnet9"}}}, "second.statements.other_network: as a run's"),
        ({"second": {"statements": {"straggler_shape": 500}}}, "second.statements.straggler_shape: as a run's"),
        ({"second": {"statements": {"batch_sizes": [0, 4]}}}, "second.statements.batch_sizes: as a run's"),
        (
            {"second": {"statements": {"batch_workers": [30, 30]}}},
            "second.statements.batch_workers: [30, 30]: the first",
        ),
        ({"second": {"same_rate": {"learning_rate": 0}}}, "second.same_rate.learning_rate: as a run's parameter"),
        ({"second": {"full_batch_rate": 0.0}}, "second.full_batch_rate: as a run's parameter"),
        ({"second": {"matched_dropout": [[100_000_000, 0.3]]}}, "second.matched_dropout: as a run's parameter"),
    ],
)
def test_a_margin_that_no_run_can_have_is_refused_before_training(margins: dict[str, Any], told: str) -> None:
    with pytest.raises(AsgdError, match=re.escape(f"claims: {told}")):
        validate(ClaimsConfig, margins, "claims")


@pytest.mark.parametrize("key", ["limit", "flow_share", "flow_time", "time"])
def test_a_measure_of_the_edge_that_is_zero_is_refused(key: str) -> None:
    with pytest.raises(AsgdError, match=rf"analyses: edge\.{key} = 0\.0: Input should be greater than 0"):
        validate(AnalysesConfig, {"edge": {key: 0.0}}, "analyses")
