"""The figures: each module with a ``PLOT`` draws one from the tidy tables; nothing is computed but selections.

Importing this package does not load Matplotlib: Snakemake asks for the figures at every start.
"""
