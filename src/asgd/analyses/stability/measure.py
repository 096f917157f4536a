"""The sharpness of a network after a short run, for who has none."""

from asgd.data import Dataset
from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.settings.schedule import ScheduleKeys
from asgd.simulator.engines import build_engine
from asgd.simulator.probes.sharpness import measure
from asgd.simulator.simulate import plan_evaluations

NUM_IMAGES = 500


def measure_after_run(config: RunConfig, dataset: Dataset) -> tuple[float, str]:
    """The sharpness after training as ``config`` says, but by one worker without momentum; and a phrase that says so.

    One worker, because what delay breaks has no sharpness worth knowing: dead units are flat. Raises AsgdError where
    even this run ends without a positive sharpness.
    """
    alone = RunConfig.model_validate(
        {**config.model_dump(exclude={*ScheduleKeys.model_fields}), "num_workers": 1, "momentum": 0.0}
    )
    steps = plan_evaluations(alone, len(dataset.train_images)).total
    engine = build_engine(alone, dataset.train_images, dataset.train_labels, num_classes=len(dataset.classes))
    engine.advance(steps)
    number = min(NUM_IMAGES, len(dataset.train_labels))
    sharpness = measure(engine, alone, dataset, number)["sharpness"]
    if not sharpness > 0:
        raise AsgdError(
            f"--measure: after {steps:,} steps of one worker at learning rate {alone.learning_rate:g} the sharpness is "
            f"{sharpness:g}: the run died or overflowed without any delay; take a smaller learning rate or another seed"
        )
    return sharpness, (
        f"measured: mean loss of the first {number} training images, after {steps:,} steps of one worker at rate "
        f"{alone.learning_rate:g}, no momentum"
    )
