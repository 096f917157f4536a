"""Tiles of another size, those of the other kind of machine, leave every bit as it is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import asgd

SOURCES = Path(asgd.__file__).parent

_TRAIN = """
import hashlib, itertools
import numpy as np
from asgd.settings.run import RunConfig
from asgd.simulator.fused import FusedEngine, tiles

print(tiles.OUTPUTS)
rng = np.random.default_rng(0)
images, labels = rng.integers(0, 256, (150, 32, 32, 3)).astype(np.uint8), np.arange(150) % 10
for pools, batch_size, momentum in itertools.product((1, 2), (1, 4, 6, 64), (0.0, 0.9)):
    keys = {"num_workers": 3, "momentum": momentum, "dropout": 0.2, "learning_rate": 0.003}
    engine = FusedEngine(RunConfig(pools=pools, batch_size=batch_size, **keys), images, labels, kernels="vector")
    done, found = engine.advance(60), engine.evaluate(images, labels)
    print(pools, batch_size, momentum, done, found, hashlib.sha256(engine.weights.tobytes()).hexdigest())
"""


def train(sources: Path, **environment: str) -> list[str]:
    places = {"PYTHONPATH": str(sources), **environment}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _TRAIN], env={**os.environ, **places}, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_the_sizes_of_tiles_leave_every_bit_as_it_is(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(SOURCES, tmp_path / "src/asgd", ignore=shutil.ignore_patterns("__pycache__")))
    tiles = copy / "simulator/fused/tiles.py"
    text = tiles.read_text(encoding="utf-8")
    assert text.count("_IS_WIDE = bool(") == 1
    tiles.write_text(text.replace("_IS_WIDE = bool(", "_IS_WIDE = not bool("), encoding="utf-8")
    size, *expected = train(SOURCES.parent)
    other, *found = train(tmp_path / "src", ASGD_CACHE_DIR=str(tmp_path / "cache"))
    assert {size, other} == {"1", "4"}
    assert len(found) == 16
    assert found == expected
