"""A study whose growing tables are Parquet: from nothing to verdicts, with the results that it has with CSV."""

import copy
import re
from pathlib import Path

import pandas as pd
import pytest

from asgd.commands.cli import main
from asgd.study.loaded import load_study
from asgd.tables.files import hash_contents
from tests.pipeline import TINY, Project

GROWING = ("runs", "evaluations", "curves")


@pytest.mark.slow
def test_a_study_comes_out_the_same_with_tables_as_parquet_and_as_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = copy.deepcopy(TINY)
    params["presets"]["tiny"] |= {"tables": "parquet", "seeds": [0, 1]}
    params["presets"]["tiny"]["experiments"]["delay"]["seeds"] = [0]  # the rest of its arms' runs comes later
    project = Project(tmp_path, params)
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results/tiny"
    project.snakemake()
    assert sorted(path.stem for path in results.glob("tables/*.parquet")) == sorted(GROWING)
    assert not [name for name in GROWING if (results / f"tables/{name}.csv").exists()]
    assert (results / "explorer.html").exists()
    assert project.planned_jobs() == {}
    study = load_study("tiny")
    tables = {name: study.tables[name] for name in study.tables}
    made = {path: path.read_bytes() for path in results.glob("figures/*")}
    made |= {results / name: (results / name).read_bytes() for name in ("claims.json", "explorer.html")}

    # The same table in another file is the same to `asgd verify`; another table is not.
    capsys.readouterr()
    path = results / "tables/evaluations.parquet"
    before = hash_contents(path)
    tables["evaluations"].to_parquet(path, compression="gzip", index=False)
    assert hash_contents(path) == before
    main(["verify", "--preset", "tiny"])
    said = capsys.readouterr().out
    assert "MISMATCH" not in said
    assert re.search(r"tables of runs +ok", said), said
    tables["evaluations"].assign(test_loss=1.0).to_parquet(path, index=False)
    main(["verify", "--preset", "tiny"])
    assert "tables/evaluations.parquet: changed" in capsys.readouterr().out

    params["presets"]["tiny"]["tables"] = "csv"
    project.write_params(params)
    project.snakemake()
    assert not list(results.glob("tables/*.parquet")), "a table is there in one form"
    assert {path: path.read_bytes() for path in made} == made
    again = load_study("tiny").tables
    assert list(again) == list(tables)
    for name, table in tables.items():
        keys = [key for key in ("run", "arm", "metric", "epoch") if key in table]  # rows are in the order of the arms
        first, second = (one.sort_values(keys, kind="stable", ignore_index=True) for one in (table, again[name]))
        pd.testing.assert_frame_equal(first, second, check_exact=True)
