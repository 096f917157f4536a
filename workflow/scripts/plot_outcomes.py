"""Draw how the runs of every arm ended."""

from asgd.figures import draw_outcomes, save_figure, use_style
from asgd.tables.files import read_table

use_style(snakemake.input.style)
save_figure(draw_outcomes(read_table(snakemake.input.arms)), snakemake.output.pdf.removesuffix(".pdf"))
