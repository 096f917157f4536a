"""The report: generated LaTeX (every number and table of it) and the building of its PDF."""

from asgd.report.build import build_report
from asgd.report.findings import Findings
from asgd.report.generated import GENERATED
from asgd.report.tables import write_tables
from asgd.tables.environment import collect_environment

__all__ = ["GENERATED", "Findings", "build_report", "collect_environment", "write_tables"]
