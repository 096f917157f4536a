"""docs/gallery.md: every figure of the study that the README shows, with the command that draws it."""

from pathlib import Path

from asgd.figures.plot import Plot, list_plots
from asgd.report.readme import find_shown
from asgd.settings.study import load_params
from asgd.tables.files import find_table

_HEAD = """# Gallery

Written by `make reference` from the captions of the figures and from the results in git.

The command below a figure draws it again from the study's tables, in seconds and without training. `make figures` draws
all of them. A PDF lies beside each PNG. [Figures](reference.md#figures) lists those that other studies have.
"""


def make_gallery(params: Path = Path("params.yaml"), results: Path = Path("results")) -> str:
    """The whole page, as Markdown for the folder docs/. ``results``: the folder of all studies, in the project's."""
    presets = load_params(params)
    shown = find_shown(presets)
    return f"{_HEAD}\n{_show_study(results / shown, presets.presets[shown].description)}" if shown else _HEAD


def _show_study(folder: Path, about: str) -> str:
    there = {path.stem for path in folder.glob("figures/*.png")}
    plots = {name: plot for name, plot in list_plots().items() if name in there}
    names = sorted(plots, key=lambda name: (not name.startswith("figure"), name))  # those of the paper first
    head = (
        f"## {folder.name}\n\n{about[:1].upper()}{about[1:]}. To see the runs behind the figures, open "
        f"[the explorer](../{folder.as_posix()}/explorer.html).\n"
    )
    return "\n".join([head, *(_show(folder, name, plots[name]) for name in names)])


def _show(folder: Path, name: str, plot: Plot) -> str:
    file = f"{folder.as_posix()}/figures/{name}.png"
    command = f"snakemake --force --config shipped=True preset={folder.name} -- \\\n    {file}"
    tables = ", ".join(f"`{find_table(folder / 'tables', table).name}`" for table in plot.tables)
    return (
        f"### {name}\n\n{plot.caption}\n\n![{name}](../{file})\n\n"
        f"From {tables}, by [{name}.py](../src/asgd/figures/{name}.py):\n\n```text\n{command}\n```\n"
    )
