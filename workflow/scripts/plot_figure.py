"""Draw a figure from the tidy tables that it declares."""

from asgd.figures.drawing import draw_figure
from asgd.figures.style import use_style
from asgd.tables.files import read_table

job = snakemake.params.settings
tables = {name: read_table(snakemake.input[name], ()) for name in job["tables"]}
use_style(snakemake.input.style)
draw_figure(job["figure"], tables, job["experiment"], snakemake.output.pdf.removesuffix(".pdf"))
