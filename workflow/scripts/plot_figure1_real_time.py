"""Draw figure1_real_time from the tidy tables."""

from asgd.figures import Tables, draw_figure1_real_time, save_figure, use_style

use_style(snakemake.input.style)
tables = Tables.read(snakemake.input.arms, snakemake.input.curves, snakemake.input.evaluations)
save_figure(draw_figure1_real_time(tables), snakemake.output.pdf.removesuffix(".pdf"))
