"""How figures look and how they are saved: palettes with a second cue, sizes, and reproducible files."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import style as matplotlib_style
from matplotlib.figure import Figure
from PIL import Image

from asgd.errors import AsgdError
from asgd.files import atomic_path

COLUMN_WIDTH = 3.5  # inches, IEEE
PAGE_WIDTH = 7.16

#: Okabe and Ito's colours for unordered things, dark and light in turn; told apart with the common colour blindnesses.
CATEGORIES = ("#000000", "#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#009E73", "#CC79A7")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (6, 1, 1, 1, 1, 1)))


@dataclass(frozen=True)
class ArmStyle:
    """Colour and second cues of an arm's curve."""

    colour: Any
    marker: str
    dash: Any = "-"


def use_style(path: str | Path) -> None:
    """Apply the style file to all figures made from now on. Raises AsgdError if it is missing or wrong."""
    if not Path(path).is_file():
        raise AsgdError(f"{path}: the style file is missing; it is part of the project, restore it")
    try:
        matplotlib_style.use(["default", str(path)])
    except (OSError, ValueError, KeyError) as error:
        raise AsgdError(f"{path}: not a Matplotlib style file ({' '.join(str(error).split())})") from error


def ordered_styles(values: Sequence[float], colours: str = "viridis") -> dict[float, ArmStyle]:
    """Styles for an ordered quantity: lightness rises with the value and so survives greyscale; markers differ too."""
    ordered = sorted(set(values))
    palette = matplotlib.colormaps[colours]
    span = max(1, len(ordered) - 1)
    return {
        value: ArmStyle(palette(0.85 * rank / span), MARKERS[rank % len(MARKERS)]) for rank, value in enumerate(ordered)
    }


def category_style(index: int) -> ArmStyle:
    """The style of the ``index``-th unordered thing: colour, marker and dash all differ."""
    return ArmStyle(CATEGORIES[index % len(CATEGORIES)], MARKERS[index % len(MARKERS)], DASHES[index % len(DASHES)])


def save_figure(figure: Figure, path_without_suffix: str | Path) -> None:
    """Write ``<path>.pdf`` and ``<path>.png``, each atomically; the same figure gives the same bytes.

    The PNG has 256 colours, which takes a third of the room and looks the same.
    """
    base = Path(path_without_suffix)
    with atomic_path(base.with_name(f"{base.name}.pdf")) as temporary:
        figure.savefig(temporary, format="pdf", metadata={"Creator": None, "Producer": None, "CreationDate": None})
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None})
    with Image.open(drawn) as image, atomic_path(base.with_name(f"{base.name}.png")) as temporary:
        colours = image.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        colours.save(temporary, format="png", optimize=True, dpi=image.info["dpi"])
