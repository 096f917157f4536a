"""Loss and accuracy on a sample of test images: sooner than the whole test set, so at more steps."""

from asgd.settings.probes import Probe
from asgd.settings.run import RunConfig
from asgd.simulator.engine import Engine
from asgd.simulator.simulate import Images

PROBE = Probe(
    measures="loss and accuracy on a sample of test images",
    columns={
        "test_loss": "loss on the sample, nats",
        "test_accuracy": "accuracy on the sample, in [0, 1]",
        "zero_logit_share": "share of the sample whose logits are all exactly zero",
    },
    images="test images",
)


def measure(engine: Engine, config: RunConfig, images: Images, num_images: int | None) -> dict[str, float]:
    """An evaluation of the server's weights."""
    found = engine.evaluate(images.test_images[:num_images], images.test_labels[:num_images])
    return {
        "test_loss": found.loss,
        "test_accuracy": found.accuracy,
        "zero_logit_share": found.zero_logit_share,
    }
