"""Put the claims table of a preset into the README: update_readme.py PRESET."""

import sys
from pathlib import Path

from asgd.claims import claims_from_json
from asgd.files import read_json
from asgd.report import update_readme

source = Path("results", sys.argv[1], "claims.json")
update_readme(Path("README.md"), claims_from_json(read_json(source), str(source)))
