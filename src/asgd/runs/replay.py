"""A real run in the simulator: the same schedule must end at the same weights, bit for bit."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asgd.data import load_data
from asgd.data.fingerprint import folder_name
from asgd.errors import AsgdError
from asgd.runs.folder import Result, read_run_anywhere
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate
from asgd.simulator.engines import build_engine
from asgd.simulator.workers.recording import hash_weights


@dataclass(frozen=True)
class Recording:
    """What a real run left."""

    record: dict[str, Any]  #: its run.json
    config: RunConfig  #: the simulated run that replays it
    kernels: str  #: that its workers had: others round differently

    @property
    def weights(self) -> dict[str, str]:
        """SHA-256 of the weights at each evaluation, by the number of gradients."""
        found: dict[str, str] = self.record["weights_sha256"]
        return found


def open_recording(folder: Path) -> Recording:
    """That of the run in ``folder``. Raises AsgdError where it cannot be read, or had no real workers."""
    if not folder.exists():
        raise AsgdError(f"{folder}: this run does not exist; train it first, with execution = real")
    record, _ = read_run_anywhere(folder)
    if record["config"].get("execution") != "real":
        raise AsgdError(
            f"{folder}: has no real workers, so it has no schedule to replay; give a run with execution = real"
        )
    recorded = {"schedule": "replay", "trace": str(folder / "schedule.csv"), "trace_sha256": record["schedule_sha256"]}
    settings = {**record["config"], "engine": record["engine"]["name"], "execution": "simulated", **recorded}
    kernels = record["engine"]["variant"] if record["engine"]["name"] == "fused" else "auto"
    return Recording(record, validate(RunConfig, settings, str(folder / "run.json")), kernels)


def describe_replay(result: Result, recording: Recording) -> Result:
    """``result`` of a replayed run, saying what it replays and whether the weights were the same, bit for bit."""
    about = {
        "run": recording.record["run"],
        "schedule_sha256": recording.record["schedule_sha256"],
        "identical": result.record["weights_sha256"] == recording.weights,
    }
    return replace(result, record={**result.record, "replayed": about})


def replay_run(folder: Path, data_root: Path) -> str:
    """``identical``, or where the weights part. Raises AsgdError where the run or its images cannot be read."""
    recording = open_recording(folder)
    record = recording.record
    dataset = load_data(data_root / folder_name(record["data"]["source"], record["data"]["fingerprint"]))
    images = dataset.train_images, dataset.train_labels
    engine = build_engine(recording.config, *images, recording.kernels, len(dataset.classes))
    places = sorted(map(int, recording.weights))
    for place in places:
        if place > engine.tally.gradients:
            engine.advance(place - engine.tally.gradients)
        if hash_weights(engine) != recording.weights[str(place)]:
            here = sorted({one["processor"] for one in record["workers"]})
            return f"parts between the evaluations before and after {place:,} gradients (workers on {', '.join(here)})"
    return f"identical at {len(places)} evaluations, to {places[-1]:,} gradients"
