"""Put the claims table of a preset and the benchmark's table into the README: update_readme.py PRESET."""

import sys
from pathlib import Path

from asgd.claims import claims_from_json
from asgd.files import read_json
from asgd.report.readme import make_benchmark_markdown, make_claims_markdown, update_block

README = Path("README.md")
claims = Path("results", sys.argv[1], "claims.json")
update_block(README, "claims", make_claims_markdown(claims_from_json(read_json(claims), str(claims))))
update_block(README, "benchmark", make_benchmark_markdown(read_json("results/benchmark.json")))
