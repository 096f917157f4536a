"""How many training images give no gradient, with the ReLU on the logits: those whose logits are all zero."""

from asgd.settings.probes import Probe
from asgd.settings.run import RunConfig
from asgd.simulator.engine import Engine
from asgd.simulator.simulate import Images

PROBE = Probe(
    measures="the training images that the network is silent on",
    columns={"silent_images": "share of the training images whose logits are all exactly zero"},
    images="training images",
)


def measure(engine: Engine, config: RunConfig, images: Images, num_images: int | None) -> dict[str, float]:
    """The share of them."""
    found = engine.evaluate(images.train_images[:num_images], images.train_labels[:num_images])
    return {"silent_images": found.zero_logit_share}
