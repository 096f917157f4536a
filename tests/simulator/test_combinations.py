"""Any combination of keys: either it is refused in one line, or it runs."""

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate
from asgd.simulator.engines import build_engine
from tests.simulator.fused_cases import draw_images

IMAGES, LABELS = draw_images(40)
KEYS: dict[str, Any] = {
    "schedule": st.sampled_from(["round_robin", "random", "latency", "replay", "nonsense"]),
    "latency": st.sampled_from(["gamma", "pareto"]),
    "latency_cv": st.sampled_from([0.0, 0.5, 1.0, 100.0]),
    "latency_shape": st.sampled_from([1.1, 1.5]),
    "slow_share": st.sampled_from([0.0, 0.3, 1.0]),
    "slow_factor": st.sampled_from([1.0, 9.0]),
    "server_time": st.sampled_from([0.0, 0.2]),
    "policy": st.sampled_from(["every", "discard", "synchronous"]),
    "max_staleness": st.sampled_from([1, 5]),
    "stop": st.booleans(),
    "backups": st.integers(0, 4),
    "cancel": st.booleans(),
    "update": st.sampled_from(
        [
            *("sgd", "staleness_scaled", "delay_adaptive", "dc_constant", "dc_adaptive"),
            *("gap_aware", "look_ahead", "adagrad"),
        ]
    ),
    "dc_strength": st.sampled_from([0.0, 0.04]),
    "momentum": st.sampled_from([0.0, 0.9]),
    "momentum_where": st.sampled_from(["server", "worker"]),
    "momentum_convention": st.sampled_from(["pytorch", "ema"]),
    "num_workers": st.sampled_from([1, 2, 5]),
    "batch_size": st.sampled_from([1, 4, 6, "full"]),
    "num_images": st.sampled_from([None, 20, 41]),
    "dropout": st.sampled_from([0.0, 0.3]),
    "network": st.sampled_from(["paper", "resnet8"]),
    "engine": st.sampled_from(["auto", "fused", "reference"]),
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path: Path = tmp_path_factory.mktemp("traces") / "trace.csv"
    path.write_text("worker\n" + "0\n1\n0\n0\n" * 10)
    return {"trace": str(path), "trace_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@contextmanager
def refusing() -> Iterator[list[Any]]:
    """A list to fill; a refusal ends the block, in one line."""
    try:
        yield []
    except AsgdError as error:
        if "\n" in str(error):
            raise AssertionError("a refusal of several lines") from error


@settings(max_examples=150, deadline=None)
@given(keys=st.fixed_dictionaries({}, optional=KEYS))
def test_a_combination_is_refused_in_one_line_or_runs(trace: dict[str, str], keys: dict[str, Any]) -> None:
    recorded = trace if keys.get("schedule") == "replay" else {}
    with refusing() as made:
        made.append(validate(RunConfig, {**keys, **recorded}, "run"))
        made.append(build_engine(made[0], IMAGES, LABELS))
    if len(made) < 2:
        return
    config, engine = made
    found = engine.advance(12)
    assert engine.tally.gradients == engine.tally.fates.sum() == 12
    assert found.num_gradients == 12
    assert math.isfinite(found.loss_sum)
    assert validate(RunConfig, config.model_dump(), "again") == config
