"""Draw readings from the tidy tables."""

from asgd.figures import draw_readings, save_figure, use_style
from asgd.tables.files import read_table

use_style(snakemake.input.style)
runs, evaluations = read_table(snakemake.input.runs), read_table(snakemake.input.evaluations)
save_figure(draw_readings(runs, evaluations), snakemake.output.pdf.removesuffix(".pdf"))
