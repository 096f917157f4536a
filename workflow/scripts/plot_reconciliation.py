"""Draw reconciliation from the tidy tables."""

from asgd.figures import draw_reconciliation, save_figure, use_style
from asgd.tables.files import read_table

use_style(snakemake.input.style)
pairs = read_table(snakemake.input.pairs, ("rate_none", "rate_momentum", "variant", "holding"))
save_figure(draw_reconciliation(pairs), snakemake.output.pdf.removesuffix(".pdf"))
