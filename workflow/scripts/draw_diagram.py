"""Draw the diagram of the protocol in the README: draw_diagram.py."""

from pathlib import Path

from asgd.report.diagram import write_diagrams

write_diagrams(Path("docs/images"), Path("report"))
