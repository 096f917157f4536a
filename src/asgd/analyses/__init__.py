"""Analyses beyond the claims."""
