"""Planning: arms are made once, and what a study is made of is what each of its runs would say alone."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from asgd.data import source_fingerprint
from asgd.runs.sources import identify_run
from asgd.settings.run import RunConfig
from asgd.settings.study import Params, expand_experiments
from asgd.settings.subjects import find_varying
from asgd.settings.validation import validate
from asgd.study.manifest import compare_manifests
from asgd.study.plan import Study, plan_study


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
    (change,) = compare_manifests(before, after, ["experiments"])
    assert change.startswith(f"experiments.delay: {more} runs more (m3-lr0.01-seed0-")
