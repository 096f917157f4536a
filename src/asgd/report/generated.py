"""The names of the report's generated files: Snakemake asks at every start, and the report's code loads slowly."""

GENERATED = ("numbers.tex", "claims.tex", "accuracy.tex", "assumptions.tex", "environment.tex")
