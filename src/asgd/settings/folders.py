"""Where a project keeps what it makes, relative to its folder."""

from pathlib import Path

DATA_ROOT = Path("data")  #: prepared images
RUNS = Path("results/runs")  #: a folder for each finished run that is in no batch
BATCHES = RUNS.with_name("batches")  #: files of many finished runs each
KEPT = Path("results/kept")  #: second names of finished runs and batches
CHECKPOINTS = Path("results/checkpoints")  #: runs that are not finished
ORDERS = ".orders"  #: in the folder of a study: the orders of batches in the making
