"""The server of real workers without any transport: whatever happens, the simulator replays it to the same weights."""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate
from asgd.simulator.engine import Computed
from asgd.simulator.events import Fate
from asgd.simulator.fused import FusedEngine
from asgd.simulator.reference import ReferenceEngine
from asgd.simulator.workers.core import Dispatch
from asgd.simulator.workers.real import Heard, RealEngine
from asgd.simulator.workers.recording import format_schedule
from tests.simulator.fused_cases import draw_images

IMAGES, LABELS = draw_images(120)
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "worker momentum": {"momentum": 0.9, "momentum_where": "worker"},
    "dc_adaptive": {"update": "dc_adaptive", "momentum": 0.5},
    "gap_aware": {"update": "gap_aware"},
    "look_ahead": {"update": "look_ahead", "momentum": 0.9, "momentum_where": "worker", "momentum_convention": "ema"},
    "discard": {"policy": "discard", "max_staleness": 4},
    "synchronous": {"policy": "synchronous", "cancel": False, "backups": 2, "momentum": 0.5},
    "adagrad": {"update": "adagrad", "learning_rate": 0.001},
}


def engine_of(name: str, config: RunConfig) -> Any:
    return (FusedEngine if name == "fused" else ReferenceEngine)(config, IMAGES, LABELS)


def config_of(**keys: Any) -> RunConfig:
    settings = {"learning_rate": 0.02, "output_relu": False, "num_workers": 5, "dropout": 0.2, "execution": "real"}
    return RunConfig(**{**settings, **keys})


class LocalTransport:
    """Workers in this process, which answer in an order, die and come back, as ``choices`` say."""

    def __init__(self, make: Callable[[], Any], choices: list[int], deaths: frozenset[int] = frozenset()) -> None:
        self.about: list[dict[str, Any]] = [{"processor": "this"}]
        self._engines: dict[int, Any] = defaultdict(make)
        self._choices, self._deaths = choices, deaths
        self._sent: list[Dispatch] = []
        self._heard, self._ready, self.died = 0, 0, 0

    def send(self, dispatch: Dispatch) -> None:
        self._sent.append(dispatch)

    def admit(self, worker: int) -> None:
        self._ready -= 1

    def hear(self) -> Heard:
        self._heard += 1
        if self._ready and self._heard % 3 == 0:
            return Heard(None, None)
        chosen = self._sent.pop(self._choices[self._heard % len(self._choices)] % len(self._sent))
        if self._heard in self._deaths:
            self._ready += 1
            self.died += 1
            return Heard(chosen.worker, None)
        found: Computed = self._engines[chosen.worker].compute(chosen.weights, chosen.batch)
        return Heard(chosen.worker, found)


def replay(name: str, config: RunConfig, real: RealEngine, folder: Path) -> Any:
    path = folder / "schedule.csv"
    path.write_text(format_schedule(real.core.events))
    recorded = {"trace": str(path), "trace_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    settings = {**config.model_dump(), "execution": "simulated", "schedule": "replay", **recorded}
    engine = engine_of(name, validate(RunConfig, settings, "replay"))
    engine.advance(real.tally.gradients)
    return engine


@pytest.mark.parametrize("name", ["fused", "reference"])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=3, deadline=None)
@given(
    choices=st.lists(st.integers(0, 9), min_size=1, max_size=30), deaths=st.frozensets(st.integers(5, 50), max_size=2)
)
def test_whatever_happens_is_replayed_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, name: str, kind: str, choices: list[int], deaths: frozenset[int]
) -> None:
    config = config_of(**KINDS[kind])
    transport = LocalTransport(partial(engine_of, name, config), choices, deaths)
    real = RealEngine(config, engine_of(name, config), transport)
    for number in (27, 33):
        real.advance(number)
        real.evaluate(IMAGES[:9], LABELS[:9])
    assert real.tally.gradients == 60
    assert real.tally.fates[Fate.LOST] == transport.died
    replayed = replay(name, config, real, tmp_path_factory.mktemp("replay"))
    assert np.array_equal(replayed.weights, real.weights)
    assert replayed.tally.fates.tolist() == real.tally.fates.tolist()
    assert replayed.tally.staleness.tolist() == real.tally.staleness.tolist()


@pytest.mark.parametrize("name", ["fused", "reference"])
def test_in_turn_real_workers_are_round_robin(name: str) -> None:
    """The same bits as the simulation: the engine does not know who computed."""
    config = config_of(momentum=0.9, momentum_where="worker")
    real = RealEngine(config, engine_of(name, config), LocalTransport(partial(engine_of, name, config), [0]))
    simulated = engine_of(name, config_of(momentum=0.9, momentum_where="worker", execution="simulated"))
    found, expected = real.advance(60), simulated.advance(60)
    assert np.array_equal(real.weights, simulated.weights)
    assert found.gradient_norm == pytest.approx(expected.gradient_norm)
    assert found.loss_sum == pytest.approx(expected.loss_sum)
    assert real.tally.staleness.tolist() == simulated.tally.staleness.tolist()


def test_a_run_that_goes_on_from_its_state_has_lost_what_was_on_its_way(tmp_path: Path) -> None:
    config = config_of()
    first = RealEngine(config, engine_of("fused", config), LocalTransport(partial(engine_of, "fused", config), [1, 3]))
    first.advance(30)
    second = RealEngine(config, engine_of("fused", config), LocalTransport(partial(engine_of, "fused", config), [2, 0]))
    second.restore(first.state())
    second.advance(40)
    assert second.tally.fates[[Fate.APPLIED, Fate.LOST, Fate.JOINED]].tolist() == [70, 5, 5]
    assert np.array_equal(replay("fused", config, second, tmp_path).weights, second.weights)


def test_too_few_workers_for_a_synchronous_step_are_one_line() -> None:
    config = config_of(policy="synchronous", cancel=False, backups=1)

    class Deserted(LocalTransport):
        def hear(self) -> Heard:
            return Heard(self._sent.pop(0).worker, None)

    real = RealEngine(config, engine_of("fused", config), Deserted(partial(engine_of, "fused", config), [0]))
    with pytest.raises(AsgdError, match="worker 1 is lost, and 3 are left where a step needs 4"):
        real.advance(10)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"schedule": "random"}, "execution = real records its own schedule; leave schedule = random out"),
        (
            {"policy": "discard", "max_staleness": 3, "stop": True},
            "stop = True: the computation of a real gradient cannot be stopped",
        ),
        (
            {"policy": "synchronous"},
            "policy = synchronous: the computation of a real gradient cannot be stopped; give cancel = false",
        ),
        ({"num_workers": 2000}, "num_workers = 2000: at most 1000 workers can be real"),
    ],
)
def test_what_real_workers_cannot_do_is_one_line(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(AsgdError) as error:
        validate(RunConfig, {"execution": "real", **keys}, "run")
    assert message in str(error.value)


def test_execution_is_part_of_the_arm_and_simulated_runs_keep_their_names() -> None:
    assert RunConfig(execution="simulated").hashed() == RunConfig().hashed()
    assert RunConfig(execution="real").arm() != RunConfig().arm()
    assert RunConfig(execution="real").slug() == "m1-lr0.01-seed0-real"
