"""What a person sees of prepared images: a summary, and a contact sheet to look at."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from asgd.data.dataset import ARRAYS, load_data, read_meta
from asgd.files import atomic_path
from asgd.simulator.networks.shapes import IMAGE_SHAPE

_SCALE = 2  # screen pixels per image pixel
_GAP = 4
_FONT_SIZE = 16


def format_data(folder: Path) -> str:
    """A few lines: what the images are, how many of each class, their fingerprint, hash and size on disk.

    Raises AsgdError where they are not what was prepared.
    """
    folder = Path(folder)
    content, meta = load_data(folder).content, read_meta(folder)
    counts = meta["counts"]
    width = max(len(name) for name in [*meta["classes"], "all"])
    size = sum((folder / f"{name}.npy").stat().st_size for name in ARRAYS)
    rows = [(name, counts["train"][name], counts["test"][name]) for name in meta["classes"]]
    rows.append(("all", sum(counts["train"].values()), sum(counts["test"].values())))
    return "\n".join(
        [
            f"{meta['source']}: {meta['description']}",
            f"folder       {folder} ({size / 1e6:.1f} MB)",
            f"fingerprint  {meta['fingerprint']}",
            f"content      {content} (verified)",
            f"{'class':{width}}  {'train':>7}  {'test':>7}",
            *(f"{name:{width}}  {train:7,}  {test:7,}" for name, train, test in rows),
        ]
    )


def write_contact_sheet(folder: Path, path: Path, per_class: int = 10) -> None:
    """Write a PNG with the first ``per_class`` training images of each class, one class a row, beside its name."""
    dataset = load_data(folder)
    font = ImageFont.load_default(_FONT_SIZE)
    margin = max(int(font.getlength(name)) for name in dataset.classes) + 2 * _GAP
    cell_height, cell_width = (_SCALE * side + _GAP for side in IMAGE_SHAPE[:2])
    sheet = Image.new("RGB", (margin + per_class * cell_width, len(dataset.classes) * cell_height + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for row, name in enumerate(dataset.classes):
        top = _GAP + row * cell_height
        draw.text((_GAP, top + (cell_height - _GAP - _FONT_SIZE) // 2), name, fill="black", font=font)
        for column, index in enumerate(np.flatnonzero(dataset.train_labels == row)[:per_class]):
            image = Image.fromarray(dataset.train_images[index]).resize(
                (cell_width - _GAP, cell_height - _GAP), Image.Resampling.NEAREST
            )
            sheet.paste(image, (margin + column * cell_width, top))
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG")
