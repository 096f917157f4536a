"""The report, the README's tables and the page of claims: numbers filled into templates, and the PDF built."""

from asgd.report.build import build_report
from asgd.report.findings import Findings, read_earlier
from asgd.report.generated import list_generated
from asgd.report.numbers import collect_numbers
from asgd.report.page import make_claims_page
from asgd.report.tables import write_tables

__all__ = [
    "Findings",
    "build_report",
    "collect_numbers",
    "list_generated",
    "make_claims_page",
    "read_earlier",
    "write_tables",
]
