"""How far the weights move while a gradient is on its way."""

from asgd.settings.probes import Probe
from asgd.settings.run import RunConfig
from asgd.simulator.engine import Engine
from asgd.simulator.simulate import Images

PROBE = Probe(
    measures="the distance of the current weights from the stale ones",
    columns={"staleness_displacement": "||W_t - W_{t-tau}||, norm of the difference of current and stale weights"},
)


def measure(engine: Engine, config: RunConfig, images: Images, num_images: int | None) -> dict[str, float]:
    """The distance, of the worker whose gradient comes next."""
    return {"staleness_displacement": engine.staleness_displacement()}
