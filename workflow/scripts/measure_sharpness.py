"""The sharpness along the runs of the reference settings, for several m and seeds."""

import itertools
from pathlib import Path

import pandas as pd

from asgd.analyses.sharpness import track_sharpness
from asgd.data import load_data
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate
from asgd.tables.files import write_table

wanted = snakemake.params.settings
dataset = load_data(Path(snakemake.input.data).parent)
tables = []
for m, seed in itertools.product(wanted["num_workers"], wanted["seeds"]):
    config = validate(RunConfig, {**wanted["run"], "num_workers": m, "seed": seed}, "run")
    epochs = [epoch for epoch in wanted["epochs"] if epoch <= config.epochs]
    tables.append(track_sharpness(config, dataset, epochs, min(wanted["num_images"], len(dataset.train_labels))))
write_table(snakemake.output.table, pd.concat(tables))
