"""Draw sharpness from its table."""

from asgd.figures import draw_sharpness, save_figure, use_style
from asgd.tables.files import read_table

use_style(snakemake.input.style)
table = read_table(snakemake.input.sharpness, ("num_workers", "seed", "epoch", "sharpness", "limit"))
save_figure(draw_sharpness(table), snakemake.output.pdf.removesuffix(".pdf"))
