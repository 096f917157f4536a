"""What the runs ran on and what they cost, from their records."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from asgd.settings.run import RunConfig
from asgd.tables.aggregate import Read

#: What is gathered, by its name and the place of its value in run.json.
_PLACES = {
    "cpu": ("hardware", "cpu"),
    "cores": ("hardware", "cores"),
    "system": ("hardware", "system"),
    "engine": ("engine", "name"),
    "device": ("engine", "variant"),
    "data_source": ("data", "source"),
    "data_description": ("data", "description"),
    "fingerprint": ("data", "fingerprint"),
    "data_content": ("data", "content"),
    **{name: ("versions", name) for name in ("python", "torch", "numpy", "numba")},
}

#: Of a run whose gradients are those of the benchmark (``asgd.simulator.benchmark``): the defaults of these keys.
_BENCHMARKED = {key: RunConfig.model_fields[key].default for key in ("network", "batch_size", "execution")}


class Environment:
    """Gathers hardware, versions, data and cost from the records of runs, one by one."""

    def __init__(self) -> None:
        self._found: dict[str, set[str]] = defaultdict(set)
        self._steps = self._gradients = self._benchmarked = 0
        self._seconds: list[float] = []

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a run in, by the contents of its run.json."""
        for name, (part, key) in _PLACES.items():
            if (value := record.get(part, {}).get(key)) is not None:
                self._found[name].add(str(value))
        steps = record.get("last_step", 0)
        gradients = sum(record["gradients"].values()) if "gradients" in record else steps
        config = record.get("config", {})
        self._steps += steps
        self._gradients += gradients
        self._benchmarked += gradients * all(config.get(key, value) == value for key, value in _BENCHMARKED.items())
        self._seconds.append(record.get("wall_seconds", 0.0))

    def watch(self, runs: Iterable[Read]) -> Iterator[Read]:
        """The same ``runs``, each counted in as it passes."""
        for run in runs:
            self.add(run[0])
            yield run

    def describe(self) -> dict[str, Any]:
        """What was found; what no run records is absent.

        Values that differ between runs are joined by " / ". ``core_hours`` counts a core for each run, as the rules do.
        `total_gradients` is there where it is not `total_steps`, and `benchmarked_gradients`, those of the benchmark's
        network and mini-batches, where it is not the number of all.
        """
        joined = {name: " / ".join(sorted(self._found[name])) for name in _PLACES}
        found = {**joined, "total_steps": self._steps, "core_hours": sum(self._seconds) / 3600}
        found = {key: value for key, value in found.items() if value not in ("", 0)}
        if self._gradients != self._steps:
            found["total_gradients"] = self._gradients
        if self._benchmarked != self._gradients:
            found["benchmarked_gradients"] = self._benchmarked
        return found


def describe_records(runs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What an ``Environment`` describes, of the contents of the ``run.json`` of every run."""
    environment = Environment()
    for run in runs:
        environment.add(run)
    return environment.describe()
