"""Where a project keeps what it makes, relative to its folder."""

from pathlib import Path

DATA_ROOT = Path("data")  #: prepared images
RUNS = Path("results/runs")  #: a folder for each finished run
KEPT = Path("results/kept")  #: second names of finished runs
CHECKPOINTS = Path("results/checkpoints")  #: runs that are not finished
