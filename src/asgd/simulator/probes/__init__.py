"""Probes: what is measured along a run. Each is a file with a declaration and a function ``measure``."""
