"""The tables of an analysis, after the runs that it needs are trained."""

from pathlib import Path

from asgd.analyses.analysis import list_analyses
from asgd.analyses.make import make_analysis
from asgd.files import write_json
from asgd.runs.pool import POOL

job = snakemake.params
used = make_analysis(
    job.settings,
    {name: snakemake.input[name] for name in list_analyses()[job.settings["name"]].reads},
    dict(snakemake.output.items()),
    data_root=Path(job.data_root),
    pool=POOL,
    jobs=snakemake.threads,
)
write_json(job.used, used)  # for `asgd prune`, which spares them
