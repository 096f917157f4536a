"""A real run in the simulator: the same schedule must end at the same weights, bit for bit."""

import hashlib
from pathlib import Path
from typing import Any

from asgd.data import load_data
from asgd.data.fingerprint import folder_name
from asgd.errors import AsgdError
from asgd.runs.folder import read_run
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate
from asgd.simulator.engines import build_engine


def replayed(record: dict[str, Any], folder: Path) -> RunConfig:
    """The simulated run that the real run in ``folder`` is replayed by. Raises AsgdError where that is no real run."""
    if record["config"].get("execution") != "real":
        raise AsgdError(f"{folder}: is no real run, so there is no schedule to replay; give one with execution = real")
    recorded = {"schedule": "replay", "trace": str(folder / "schedule.csv"), "trace_sha256": record["schedule_sha256"]}
    settings = {**record["config"], "engine": record["engine"]["name"], "execution": "simulated", **recorded}
    return validate(RunConfig, settings, str(folder / "run.json"))


def replay_run(folder: Path, data_root: Path) -> str:
    """``identical``, or where the weights part. Raises AsgdError where the run or its images cannot be read."""
    record, _ = read_run(folder)
    config = replayed(record, folder)
    dataset = load_data(data_root / folder_name(record["data"]["source"], record["data"]["fingerprint"]))
    kernels = record["engine"]["variant"] if record["engine"]["name"] == "fused" else "auto"
    engine = build_engine(config, dataset.train_images, dataset.train_labels, kernels, len(dataset.classes))
    places = sorted(map(int, record["weights_sha256"]))
    for place in places:
        if place > engine.tally.gradients:
            engine.advance(place - engine.tally.gradients)
        found = hashlib.sha256(engine.weights.tobytes()).hexdigest()
        if found != record["weights_sha256"][str(place)]:
            here = sorted({one["processor"] for one in record["workers"]})
            return f"parts between the evaluations before and after {place:,} gradients (workers on {', '.join(here)})"
    return f"identical at {len(places)} evaluations, to {places[-1]:,} gradients"
