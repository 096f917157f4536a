"""How long the rest of a study takes, by how fast its finished runs of the same kind were."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from asgd.settings.run import RunConfig

#: Of a finished run's run.json what tells its speed.
SPEED = ("wall_seconds", "steps_per_second", "steps_per_epoch")


@dataclass(frozen=True)
class Remaining:
    """The work that is left."""

    seconds: float  #: of one run after another, of the runs whose kind is known
    unknown: int  #: runs of whose kind none is finished


class Speeds:
    """How fast runs of each kind were, and how long they are."""

    def __init__(self) -> None:
        self._gradients: defaultdict[Hashable, float] = defaultdict(float)
        self._seconds: defaultdict[Hashable, float] = defaultdict(float)
        self._per_epoch: dict[Hashable, float] = {}

    def add(self, config: RunConfig, record: Mapping[str, float]) -> None:
        """Count a finished run, with its run.json. A run that ended early counts with the gradients that it had."""
        seconds = record["wall_seconds"]
        self._gradients[_kind(config)] += record["steps_per_second"] * seconds
        self._seconds[_kind(config)] += seconds
        self._per_epoch[_length(config)] = record["steps_per_epoch"]

    def estimate(self, open_runs: Iterable[tuple[RunConfig, int]]) -> Remaining:
        """The time for these runs, each with the number of gradients that it has already had."""
        seconds, unknown = 0.0, 0
        for config, begun in open_runs:
            kind, per_epoch = _kind(config), self._per_epoch.get(_length(config))
            planned = config.steps or (per_epoch and config.epochs * per_epoch)
            if planned and self._gradients.get(kind):
                seconds += max(planned - begun, 0) * self._seconds[kind] / self._gradients[kind]
            else:
                unknown += 1
        return Remaining(seconds, unknown)


def _kind(config: RunConfig) -> Hashable:
    """What decides how fast a run is: the engine, the size of a gradient, and what is done with it."""
    real_workers = config.num_workers if config.execution == "real" else None
    members = (getattr(config, key) for key in config.choices())
    work = config.batch_size, config.execution, real_workers, bool(config.probes)
    return config.resolved_engine()[0], config.device, *work, *members


def _length(config: RunConfig) -> Hashable:
    """What decides how many gradients an epoch has, in a study, whose runs share the images."""
    return config.batch_size, config.num_images
