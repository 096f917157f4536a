"""The README's diagram of the protocol, in colours for light and for dark pages."""

from pathlib import Path
from typing import Any

from asgd.files import write_text
from asgd.report.templates import Templates
from asgd.settings.run import RunConfig
from asgd.simulator.parts import build_course

WORKERS = 4
STEP = 2 * WORKERS  #: the server step that is drawn: worker 0 is served, and the first rounds are over
COLOURS = {
    "light": {
        "text": "#1f2328",
        "quiet": "#59636e",
        "fill": "#f6f8fa",
        "edge": "#8c959f",
        "gradient": "#b35900",
        "weights": "#0969da",
    },
    "dark": {
        "text": "#f0f6fc",
        "quiet": "#9198a1",
        "fill": "#161b22",
        "edge": "#656c76",
        "gradient": "#f0883e",
        "weights": "#58a6ff",
    },
}


def list_copies(step: int = STEP, num_workers: int = WORKERS) -> list[dict[str, int]]:
    """For each worker, before server step ``step``: the version of the weights that it holds, and their staleness.

    They come from the simulator's own schedule, so the diagram shows what is simulated.
    """
    version = [0] * num_workers
    for done, worker in enumerate(build_course(RunConfig(num_workers=num_workers)).take(step).worker.tolist()):
        version[worker] = done + 1
    return [{"version": held, "staleness": step - held} for held in version]


def draw_diagram(theme: str, report: Path) -> str:
    """The SVG in the colours of ``theme``, light or dark. ``report`` is the project's folder of templates."""
    numbers: dict[str, Any] = {"step": STEP, "workers": list_copies(), "colours": COLOURS[theme]}
    return Templates(report / "templates").render("protocol.svg", numbers | {"height": 34 + 62 * WORKERS})


def write_diagrams(folder: Path, report: Path) -> None:
    """Write protocol-light.svg and protocol-dark.svg into ``folder``."""
    for theme in COLOURS:
        write_text(folder / f"protocol-{theme}.svg", draw_diagram(theme, report))
