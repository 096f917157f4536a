"""What engines and policies make of events."""

from collections.abc import Callable
from enum import EnumType
from typing import Any

import numpy as np
import pytest

from asgd.settings.run import RunConfig
from asgd.simulator.engine import Engine
from asgd.simulator.events import Fate
from asgd.simulator.fused import FusedEngine
from asgd.simulator.reference import ReferenceEngine
from tests.simulator.fused_cases import draw_images

IMAGES, LABELS = draw_images(40)


@pytest.mark.parametrize("make", [FusedEngine, ReferenceEngine])
@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"schedule": "random", "policy": "discard", "max_staleness": 1},
        {"schedule": "latency", "policy": "synchronous", "backups": 1},
    ],
)
def test_numpy_looks_nothing_up_on_an_enumeration(
    make: Callable[..., Engine], keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11 runs code for that, and a Ctrl-C in it would be lost (see Fate)."""
    looked: list[str] = []

    def look(kind: type, name: str) -> Any:
        looked.append(name)
        raise AttributeError(name)

    monkeypatch.setattr(EnumType, "__getattr__", look, raising=False)
    np.zeros(1) == Fate.LOST  # noqa: B015  (what it must not do)
    assert looked
    looked.clear()
    engine = make(RunConfig(num_workers=3, **keys), IMAGES, LABELS)
    engine.advance(20)
    engine.staleness_displacement()
    engine.state()
    assert [name for name in looked if name.startswith("__array")] == []
