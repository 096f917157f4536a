"""The claims table as a page of HTML, for `snakemake --report`."""

from collections.abc import Sequence

import pandas as pd

from asgd.claims import Verdict, format_effect

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>The paper's claims</title>
<style>
body { font-family: sans-serif; font-size: 14px; margin: 1em; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #ccc; padding: 0.4em 0.7em; text-align: left; vertical-align: top; }
</style>
</head>
<body>
"""


def make_claims_page(verdicts: Sequence[Verdict]) -> str:
    """A row a verdict: the claim, the verdict, its effect with interval, the number of seeds and the reason."""
    columns = ["", "the paper", "here", "effect", "seeds", "why"]
    rows = [[v.id, v.claim, v.verdict, format_effect(v), v.n, v.reason] for v in verdicts]
    table = pd.DataFrame(rows, columns=columns).to_html(index=False, border=0)
    return f"{_HEAD}{table}\n</body>\n</html>\n"
