"""One run from Python: the keys of a run in, the table of its evaluations out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import lru_cache
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asgd.data.dataset import ARRAYS, Dataset, load_data
from asgd.data.fingerprint import source_fingerprint
from asgd.data.hashing import hash_arrays
from asgd.data.images import SourceImages
from asgd.data.prepare import prepare_data, read_source
from asgd.errors import AsgdError
from asgd.extras import explain_missing
from asgd.runs.progress import ProgressWatcher
from asgd.runs.train import train_run
from asgd.settings.data import DataConfig
from asgd.settings.folders import DATA_ROOT
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate
from asgd.simulator.engines import import_torch
from asgd.simulator.networks.shapes import IMAGE_SHAPE
from asgd.simulator.simulate import METRICS_COLUMNS, plan_evaluations

_SMALL = DataConfig(source="synthetic")


@explain_missing()
def simulate(
    data: Mapping[str, Any] | DataConfig | Dataset | SourceImages = _SMALL,
    *,
    data_root: str | Path = DATA_ROOT,
    kernels: str = "auto",
    progress: bool = True,
    **settings: Any,
) -> pd.DataFrame:
    """Train one run and return its evaluations: the run that `asgd train` trains with these settings.

    >>> import asgd
    >>> table = asgd.simulate(num_workers=10, learning_rate=0.02, epochs=2, progress=False)
    >>> table[["step", "epoch", "staleness_max"]].tail(2)
       step  epoch  staleness_max
    7  1750   1.75            9.0
    8  2000   2.00            9.0
    >>> table.attrs["outcome"]
    'trained'

    ``settings`` are the keys of a run, those of `run` in params.yaml. ``num_workers`` is m; by default the workers take
    turns, and gradients are m - 1 server steps old. Without settings, one worker trains by plain SGD for one epoch.

    ``data`` says what to train on:

    - by default, synthetic images, 4,000 for training and 1,000 for testing, which need no network;
    - the keys of `data` in params.yaml, as in ``{"source": "image_folder", "path": "images.tar"}``;
    - the ``Dataset`` that `asgd.data.load_data` returns;
    - your own arrays in an `asgd.data.images.SourceImages`: images [n, 32, 32, 3] uint8 (height, width, RGB), and
      labels [n] int64 from 0. Let the classes take turns: ``train_eval_loss`` is that of the first images.

    Images that are read from files are prepared once, in ``data_root``. ``kernels`` chooses those of the fused engine:
    "auto", "vector" or "plain". With ``progress`` a terminal shows a bar, and so does a notebook with ipywidgets.

    The table has a row for each evaluation, the first before the first step, and 16 columns: losses are mean
    cross-entropies in nats, accuracies and shares are in [0, 1], ``step`` counts server steps, ``gradients`` counts
    gradients, ``epoch`` counts passes over the training set, and the unit of ``time`` is the mean time of a gradient.
    docs/reference.md describes the others. A missing value, such as the training loss before the first step, is NaN. A
    run that died or overflowed has fewer rows. ``table.attrs`` holds

    - ``outcome``: "trained", "plateau", "dead" or "non_finite";
    - ``record``: what `asgd train` writes to run.json, such as the configuration, versions, staleness and duration;
    - ``probes``: the rows of probes.csv, as dictionaries, if the setting ``probes`` asks for some.

    The fused engine is compiled once for each machine, which takes about 15 s, and then read from a cache.

    Raises AsgdError, with one line, for an unknown key, a value out of range, missing or damaged images, a run that is
    too short for its workers, and a library that is not installed.
    """
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in settings.items()}
    config = validate(RunConfig, plain, "asgd.simulate")
    if config.execution == "replayed":
        raise AsgdError("execution = replayed needs a recorded run's folder; use `asgd train`")
    images = _open_images(data, Path(data_root), in_files=config.execution == "real")
    plan = plan_evaluations(config, len(images.train_images))
    shown = ProgressWatcher(plan.total, lines=False) if progress else nullcontext()
    with _keep_threads(config), shown as watcher:
        result = train_run(config, images, watcher, kernels)
    table = pd.DataFrame([asdict(row) for row in result.rows], columns=list(METRICS_COLUMNS))
    table.attrs |= {"outcome": result.record["outcome"], "record": result.record}
    if result.probes:
        table.attrs["probes"] = [dict(row) for row in result.probes]
    return table


def _show_keys() -> None:
    """Let ``help`` and completion see the keys that ``settings`` may hold."""
    shown = signature(simulate)
    *first, _ = shown.parameters.values()
    fields = RunConfig.model_fields.items()
    keys = [Parameter(name, Parameter.KEYWORD_ONLY, default=field.default) for name, field in fields]
    vars(simulate)["__signature__"] = shown.replace(parameters=[*first, *keys])


_show_keys()


def _open_images(data: Mapping[str, Any] | DataConfig | Dataset | SourceImages, root: Path, in_files: bool) -> Dataset:
    if isinstance(data, Dataset):
        return data
    if isinstance(data, SourceImages):
        return _as_dataset(_check_arrays(data), "arrays", hash_arrays(getattr(data, name) for name in ARRAYS))
    config = data if isinstance(data, DataConfig) else validate(DataConfig, data, "asgd.simulate: data")
    if config.source == "synthetic" and not in_files:
        return _draw(config)
    return load_data(prepare_data(config, root))


@lru_cache(maxsize=1)  # for runs that are compared
def _draw(config: DataConfig) -> Dataset:
    images = read_source(config, DATA_ROOT)
    for name in ARRAYS:
        getattr(images, name).flags.writeable = False
    return _as_dataset(images, config.source, source_fingerprint(config))


def _as_dataset(images: SourceImages, source: str, fingerprint: str) -> Dataset:
    arrays: dict[str, Any] = {name: np.ascontiguousarray(getattr(images, name)) for name in ARRAYS}
    about: dict[str, Any] = {"source": source, "description": images.description, "fingerprint": fingerprint}
    return Dataset(**arrays, **about, classes=images.classes, content=hash_arrays(arrays.values()))


def _check_arrays(images: SourceImages) -> SourceImages:
    """``images``, if their arrays are what compiled code, which checks no index, takes them for."""
    for split in ("train", "test"):
        pixels, labels = getattr(images, f"{split}_images"), getattr(images, f"{split}_labels")
        if pixels.dtype != np.uint8 or pixels.shape[1:] != IMAGE_SHAPE or not len(pixels):
            raise AsgdError(f"{split}_images: {pixels.dtype} {list(pixels.shape)}; give uint8 [n, 32, 32, 3]")
        if labels.dtype != np.int64 or labels.shape != pixels.shape[:1]:
            raise AsgdError(f"{split}_labels: {labels.dtype} {list(labels.shape)}; give int64 [{len(pixels)}]")
        if labels.min() < 0 or labels.max() >= len(images.classes):
            found = f"from {labels.min()} to {labels.max()}"
            raise AsgdError(f"{split}_labels: {found}; give 0 to {len(images.classes) - 1}, numbers of `classes`")
    return images


@contextmanager
def _keep_threads(config: RunConfig) -> Iterator[None]:
    """Give PyTorch back the number of threads that the reference engine sets to 1."""
    if config.resolved_engine()[0] != "reference":
        yield
        return
    torch = import_torch(config)
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
