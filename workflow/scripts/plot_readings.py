"""Draw readings from the tidy tables."""

from asgd.figures import draw_readings, save_figure, use_style
from asgd.logs import log_to
from asgd.tables import read_table

log_to(snakemake.log[0])
use_style(snakemake.input.style)
runs, evaluations = read_table(snakemake.input.runs), read_table(snakemake.input.evaluations)
save_figure(draw_readings(runs, evaluations), snakemake.output.pdf.removesuffix(".pdf"))
