"""Draw phase_map from the tidy tables."""

from asgd.figures import draw_phase_map, save_figure, use_style
from asgd.tables.files import read_table

use_style(snakemake.input.style)
table = read_table(snakemake.input.map, ("learning_rate", "num_workers", "variant", "threshold"))
sharpness = read_table(snakemake.input.sharpness, ("num_workers", "step", "sharpness"))
save_figure(draw_phase_map(table, sharpness), snakemake.output.pdf.removesuffix(".pdf"))
