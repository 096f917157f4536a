"""The tables of an analysis, after the runs that it needs are trained."""

from pathlib import Path

from asgd.analyses.analysis import list_analyses
from asgd.analyses.make import make_analysis
from asgd.files import write_json

job = snakemake.params
make_analysis(
    job.settings,
    {name: snakemake.input[name] for name in list_analyses()[job.settings["name"]].reads},
    dict(snakemake.output.items()),
    data_root=Path(job.data_root),
    jobs=snakemake.threads,
    report=lambda names: write_json(job.used, names),  # for `asgd prune`, which spares them
)
