"""Analyses beyond the claims. Each is a file, or a package, with a declaration (``asgd.analyses.analysis``)."""
