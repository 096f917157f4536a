"""Which network is trained."""

from dataclasses import dataclass

from asgd.members import find_members
from asgd.settings.keys import Keys, parameter
from asgd.settings.rooms import ROOMS


@dataclass(frozen=True)
class Network:
    """The declaration of a network, in its file in ``asgd.simulator.networks``."""

    layers: str  #: what it is
    source: str  #: who proposed it
    fused: bool = False  #: whether the fused engine has it


def list_networks() -> dict[str, Network]:
    """All networks, by name."""
    return find_members(ROOMS["network"], Network)


class NetworkKeys(Keys):
    """Which network is trained."""

    network: str = parameter(
        "paper",
        as_before="paper",
        words={"paper": "the paper's network", "resnet8": "ResNet-8", "resnet20": "ResNet-20"},
        description="the network: its name, or the path of a file of yours (NAME.py)",
    )
