"""Put verdicts, findings, costs, the benchmark and the citation into the README: update_readme.py."""

from pathlib import Path

from asgd.report.readme import update_readme
from asgd.settings.study import load_params

update_readme(Path("README.md"), load_params(), Path("results"), Path())
