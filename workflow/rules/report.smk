# Generated LaTeX (every number and table of the text), and the PDF.

TABLE_FILES = []
REPORT = f"{RESULTS}/report.pdf"
