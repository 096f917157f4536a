"""From a run's keys to the parts of its simulation: schedule, policy, update and network, by name or by file."""

from types import ModuleType
from typing import TYPE_CHECKING, Any

from asgd.errors import AsgdError
from asgd.members import load_member
from asgd.settings.rooms import ROOMS
from asgd.settings.run import RunConfig
from asgd.simulator.events import Course, Decider, Ledger, Recorded
from asgd.simulator.networks.shapes import NUM_CLASSES

if TYPE_CHECKING:
    from torch import nn

    from asgd.simulator.updates.rule import Rule


def build_course(config: RunConfig) -> "Course | Recorded":
    """The events of a run, from its first gradient on. Raises AsgdError where its schedule cannot be had."""
    read_events = getattr(_load("schedule", config), "read_events", None)
    if read_events and (events := read_events(config)):
        return Recorded(events)
    return Course(Ledger(config.num_workers, _build("schedule", config), build_policy(config)))


def build_policy(config: RunConfig) -> Decider:
    """Which gradients become steps."""
    policy: Decider = _build("policy", config)
    return policy


def build_rule(config: RunConfig) -> "Rule":
    """What is done with a gradient."""
    rule: Rule = _build("update", config)
    return rule


def build_network(config: RunConfig, num_classes: int = NUM_CLASSES) -> "nn.Module":
    """The network with the initial weights of the run's seed. Raises AsgdError if it has not so many outputs."""
    network: nn.Module = _build("network", config, num_classes)
    return network


def _build(key: str, config: RunConfig, *arguments: Any) -> Any:
    build = getattr(_load(key, config), "build", None)
    if build is None:
        raise AsgdError(f"{getattr(config, key)}: has no function `build`; see docs/how-to/extend.md")
    return build(config, *arguments)


def _load(key: str, config: RunConfig) -> ModuleType:
    return load_member(ROOMS[key], getattr(config, key))


def count_averaged(config: RunConfig) -> int:
    """How many gradients a step is the mean of."""
    return config.num_workers - config.backups if config.averages else 1
