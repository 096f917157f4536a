"""The keys of schedules, policies, updates and networks: what they refuse, and what they leave as it was."""

from typing import Any

import pytest

from asgd.errors import AsgdError
from asgd.settings.network import list_networks
from asgd.settings.policy import list_policies
from asgd.settings.run import RunConfig
from asgd.settings.schedule import list_schedules
from asgd.settings.update import list_updates
from asgd.settings.validation import validate

SHA256 = "0" * 64


def test_members_are_found_by_being_there() -> None:
    assert set(list_schedules()) == {"round_robin", "random", "latency", "replay", "alone_first"}
    assert set(list_policies()) == {"every", "discard", "synchronous"}
    assert set(list_networks()) == {"paper", "resnet8", "resnet20"}
    assert set(list_updates()) == {
        *("sgd", "staleness_scaled", "delay_adaptive", "dc_constant", "dc_adaptive"),
        *("gap_aware", "look_ahead", "adagrad"),
    }


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"schedule": "rand"}, "no schedule has the name 'rand'; give one of alone_first, latency, random, replay"),
        ({"latency_cv": 0.5}, "latency_cv = 0.5 has no effect with schedule = round_robin; leave it out"),
        ({"schedule": "latency", "latency_shape": 2.0}, "latency_shape = 2.0 has no effect with latency = gamma"),
        ({"schedule": "replay"}, "schedule = replay needs trace; give it"),
        ({"schedule": "replay", "trace": "a"}, "schedule = replay needs trace_sha256; give it"),
        ({"trace": "a"}, "trace = a has no effect with schedule = round_robin"),
        ({"update": "dc"}, "no update has the name 'dc'; give one of adagrad"),
        ({"dc_strength": 1.0}, "dc_strength = 1.0 has no effect with update = sgd"),
        ({"update": "look_ahead"}, "update = look_ahead needs momentum_where = worker, not server: it looks"),
        ({"update": "look_ahead", "momentum": 0.9}, "update = look_ahead needs momentum_where = worker"),
        ({"policy": "discard"}, "policy = discard needs max_staleness; give it"),
        ({"max_staleness": 3}, "max_staleness = 3 has no effect with policy = every"),
        ({"policy": "synchronous"}, "policy = synchronous needs schedule = latency, not round_robin: who comes first"),
        (
            {"policy": "synchronous", "schedule": "latency", "momentum": 0.9, "momentum_where": "worker"},
            "policy = synchronous needs momentum_where = server, not worker",
        ),
        (
            {"policy": "synchronous", "schedule": "latency", "update": "dc_constant"},
            "policy = synchronous has no stale gradients, so update = dc_constant does nothing",
        ),
        (
            {"policy": "synchronous", "schedule": "latency", "num_workers": 3, "backups": 3},
            "backups = 3: the server waits for none of 3 workers",
        ),
        (
            {
                **{"schedule": "replay", "trace": "a", "trace_sha256": SHA256},
                **{"policy": "discard", "max_staleness": 3, "stop": True},
            },
            "stop = True would change the recorded order of schedule = replay",
        ),
        ({"network": "resnet9"}, "no network has the name 'resnet9'; give one of paper, resnet20, resnet8"),
        ({"network": "resnet8", "dropout": 0.1}, "network = resnet8 has no dropout, so dropout = 0.1 does nothing"),
        ({"network": "resnet8", "engine": "fused"}, "engine = 'fused' does not support network = resnet8"),
        ({"update": "mine.py", "engine": "fused"}, "engine = 'fused' does not support update = mine.py"),
        ({"batch_size": "all"}, "batch_size"),
    ],
)
def test_what_means_nothing_is_refused_in_one_line(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(AsgdError) as error:
        validate(RunConfig, keys, "run")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_key_at_the_value_of_the_first_runs_is_left_out_of_the_name() -> None:
    first = RunConfig(num_workers=8)
    spelled = {"schedule": "round_robin", "update": "sgd", "policy": "every", "network": "paper", "num_images": None}
    assert RunConfig(num_workers=8, **spelled).hashed() == first.hashed()
    assert first.slug() == "m8-lr0.01-seed0"
    assert RunConfig(num_workers=8, schedule="random").hashed() != first.hashed()
    assert RunConfig(schedule="random", update="dc_adaptive").slug() == "m1-random-dc_adaptive-lr0.01-seed0"
    assert RunConfig(update="some/where/my rule.py").slug() == "m1-my_rule-lr0.01-seed0"


def test_the_readings_of_the_papers_network_have_no_effect_on_others() -> None:
    assert RunConfig(network="resnet8", output_relu=False, pools=1) == RunConfig(network="resnet8")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ("fused", "the fastest on the CPU")),
        ({"schedule": "latency", "update": "gap_aware"}, ("fused", "the fastest on the CPU")),
        ({"network": "resnet8"}, ("reference", "fused has no network = resnet8")),
        ({"schedule": "mine.py"}, ("reference", "fused has no schedule = mine.py")),
        ({"device": "cuda"}, ("reference", "fused runs on the CPU only, and the device is cuda")),
    ],
)
def test_auto_takes_the_engine_that_can_and_says_why(keys: dict[str, Any], expected: tuple[str, str]) -> None:
    assert RunConfig(**keys).resolved_engine() == expected
