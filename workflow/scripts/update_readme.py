"""Put a preset's verdicts and cost, and the benchmark, into the README: update_readme.py PRESET."""

import sys
from pathlib import Path

from asgd.report.readme import update_readme

update_readme(Path("README.md"), Path("results", sys.argv[1]), Path("results/benchmark.json"), Path("report"))
