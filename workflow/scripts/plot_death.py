"""Draw death from the tidy tables."""

from asgd.figures import draw_death, save_figure, use_style
from asgd.tables.files import read_table

use_style(snakemake.input.style)
table = read_table(snakemake.input.death, ("output_relu", "step", "stability"))
save_figure(draw_death(table), snakemake.output.pdf.removesuffix(".pdf"))
