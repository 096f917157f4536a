"""The largest logit of each class over a sample of test images, before the ReLU that may follow the logits.

With that ReLU a class whose logit is negative for every image is lost: no gradient flows through it.
"""

import torch

from asgd.settings.probes import Probe
from asgd.settings.run import RunConfig
from asgd.simulator.engine import Engine
from asgd.simulator.networks.paper import normalize_images
from asgd.simulator.probes.network import load_network
from asgd.simulator.simulate import Images

PROBE = Probe(
    measures="the largest logit of each class",
    columns={
        **{f"logit_{label}": f"largest logit of class {label}, before the output ReLU" for label in "0123456789"},
        "live_logits": "how many of these are positive",
    },
    images="test images",
)


def measure(engine: Engine, config: RunConfig, images: Images, num_images: int | None) -> dict[str, float]:
    """Each class's largest logit, and how many are positive."""
    network = load_network(engine, config.model_copy(update={"output_relu": False}), images)
    with torch.no_grad():
        largest = network(normalize_images(images.test_images[:num_images])).amax(dim=0).tolist()
    found = {f"logit_{label}": value for label, value in enumerate(largest[:10])}
    return {**found, "live_logits": sum(value > 0 for value in largest)}
