"""Planning: arms are made once, and what a study is made of is what each of its runs would say alone."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from asgd.data import source_fingerprint
from asgd.files import read_json
from asgd.runs.sources import identify_run
from asgd.settings.run import RunConfig
from asgd.settings.study import Params, expand_experiments, load_params
from asgd.settings.subjects import find_varying
from asgd.settings.validation import validate
from asgd.study.manifest import compare_manifests, compare_tables
from asgd.study.plan import Study, plan_study
from tests.pipeline import ROOT


def plan(seeds: list[int], **experiments: Any) -> Study:
    preset = {"data": {"source": "synthetic"}, "seeds": seeds, "experiments": experiments}
    return plan_study(validate(Params, {"preset": "a", "presets": {"a": preset}}, "params"), Path("data"))


def test_a_planned_run_is_the_one_that_its_configuration_names() -> None:
    kinds = [{}, {"momentum": 0.9, "momentum_where": "worker"}, {"update": "gap_aware"}, {"network": "resnet8"}]
    study = plan(
        [4, 0],
        mixed={"num_workers": [1, 3], "variants": kinds},
        late={"seeds": [9], "policy": "discard"} | {"max_staleness": 2},
    )
    fingerprint = source_fingerprint(study.params.selected.data)
    for name, configs in expand_experiments(study.params.selected).items():
        assert study.experiments[name] == [identify_run(config, fingerprint) for config in configs]
    mixed = [(run.config.num_workers, run.config.seed) for run in study.experiments["mixed"]]
    assert mixed == [pair for m in (1, 3) for pair in itertools.product([m], [4, 0] * len(kinds))]


def test_runs_that_two_experiments_share_are_there_once() -> None:
    study = plan([0, 1], few={"num_workers": [1, 2]}, many={"num_workers": [2, 3]})
    assert len(study.runs) == 6
    assert list(study.runs) == list(dict.fromkeys(run.name for runs in study.experiments.values() for run in runs))


def test_what_varies_is_found_without_the_seed_and_without_evaluations() -> None:
    study = plan(
        [0, 1],
        one={"num_workers": 2},
        two={"num_workers": [1, 2], "probes": [{}, {"displacement": {}}], "evaluations_per_epoch": [1, 2]},
    )
    assert study.varying == {"one": [], "two": ["num_workers", "probes"]}
    assert find_varying({"none": [], "one": [RunConfig()]}) == {"none": [], "one": []}


@pytest.mark.parametrize("more", [1, 3])
def test_a_manifest_tells_which_runs_were_added(more: int) -> None:
    before = plan([0], delay={"num_workers": [1, 2]}).manifest()
    after = plan([0], delay={"num_workers": [1, 2, *range(3, 3 + more)]}).manifest()
    (change,) = compare_manifests(before, after)
    assert change.startswith(f"experiments.delay: {more} runs more (m3-lr0.01-seed0-")


@pytest.mark.parametrize(
    ("preset", "part", "value", "told"),
    [
        ("paper-jpeg", "claims.fail_workers", 70, "analyses.death.margins.fail_workers was 100 and is 70 now"),
        ("paper-jpeg", "presets.paper-jpeg.subjects.sharpness", "momentum", "analyses.sharpness.experiment was 'map'"),
        ("paper-jpeg", "presets.paper.analyses.sharpness.num_images", 400, "analyses.sharpness.settings"),
        ("paper-jpeg", "claims.equivalence_points", 3.0, ""),
        ("rates", "claims.second.time_accuracy", 0.6, "analyses.calibration.margins.second.time_accuracy"),
        ("rates", "presets.rates.experiments.stragglers.calibrated", "accuracy", "analyses.calibration.calib"),
        ("rates", "claims.second.rescue_points", 6.0, ""),
    ],
)
def test_shipped_tables_are_another_studys_if_what_their_analyses_read_is_changed(
    preset: str, part: str, value: Any, told: str, tmp_path: Path
) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    *path, key = part.split(".")
    section = params
    for name in path:
        section = section.setdefault(name, {})
    section[key] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    study = plan_study(load_params(tmp_path / "params.yaml", preset), Path("data"))
    found = compare_tables(read_json(ROOT / f"results/{preset}/tables/study.json"), study)
    assert bool(found) == bool(told)
    assert any(change.startswith(told) for change in found) or not told, found
