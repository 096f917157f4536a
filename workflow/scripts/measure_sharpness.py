"""The sharpness along the runs of the reference settings, for several m and seeds."""

import itertools
from pathlib import Path

import pandas as pd

from asgd.config import RunConfig, validate
from asgd.data import load_data
from asgd.files import read_json
from asgd.logs import log_to
from asgd.sharpness import track_sharpness
from asgd.tables import write_table

log_to(snakemake.log[0])
manifest, wanted = read_json(snakemake.input.manifest), snakemake.params
dataset = load_data(Path(snakemake.input.data).parent)
tables = []
for m, seed in itertools.product(wanted.workers, wanted.seeds):
    config = validate(RunConfig, {**manifest["run"], "num_workers": m, "seed": seed}, snakemake.input.manifest)
    epochs = [epoch for epoch in wanted.epochs if epoch <= config.epochs]
    tables.append(track_sharpness(config, dataset, epochs, min(wanted.num_images, len(dataset.train_labels))))
write_table(snakemake.output[0], pd.concat(tables))
