"""ResNet-20."""

from asgd.settings.network import Network
from asgd.settings.run import RunConfig
from asgd.simulator.networks.resnet import ResNet, build_resnet

NETWORK = Network(layers="ResNet-20: 3 x 3 blocks, 272 thousand weights", source="He, Zhang, Ren and Sun, 2016")


def build(config: RunConfig, num_classes: int) -> ResNet:
    """With the initial weights of the run's seed."""
    return build_resnet(3, config.seed, num_classes)
