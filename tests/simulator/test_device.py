"""The reference engine on a GPU: the same run as on the CPU, but for rounding."""

import csv
from pathlib import Path

import pytest
import torch

from asgd.runs.orders import Setup, train_orders
from asgd.settings.data import DataConfig
from asgd.settings.order import Order
from asgd.settings.run import RunConfig

DATA = DataConfig(source="synthetic", num_train=400, num_test=100)


def make_order(device: str, out: Path) -> Order:
    """A run with all that a device holds: stale weights, velocities and dropout masks."""
    config = RunConfig(
        num_workers=3,
        momentum=0.9,
        momentum_where="worker",
        momentum_convention="ema",
        dropout=0.2,
        output_relu=False,
        epochs=1,
        train_eval_images=100,
        engine="reference",
        device=device,
    )
    return Order(run=config, data=DATA, out=str(out))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="skipped: PyTorch finds no GPU here")
def test_a_run_on_the_gpu_is_that_on_the_cpu_within_rounding(tmp_path: Path) -> None:
    setup = Setup(data_root=tmp_path / "data", store=tmp_path, checkpoints=tmp_path / "checkpoints")
    folders = train_orders([make_order(device, tmp_path / device) for device in ("cpu", "cuda")], setup)
    cpu, gpu = (list(csv.DictReader((folder / "metrics.csv").open())) for folder in folders)
    assert [row["step"] for row in cpu] == [row["step"] for row in gpu] == ["0", "25", "50", "75", "100"]
    for there, here in zip(gpu, cpu, strict=True):
        for column in ("train_loss", "train_eval_loss", "test_loss", "staleness_displacement"):
            assert float(there[column] or 0) == pytest.approx(float(here[column] or 0), rel=1e-4, abs=1e-6), column
        assert float(there["test_accuracy"]) == pytest.approx(float(here["test_accuracy"]), abs=0.02)


@pytest.mark.skipif(torch.cuda.is_available(), reason="skipped: there is a GPU here")
def test_without_a_gpu_a_run_on_it_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from asgd.commands.cli import main

    data = [
        "--data-source",
        "synthetic",
        "--data-num-train",
        "40",
        "--data-num-test",
        "20",
        "--train-eval-images",
        "20",
    ]
    flags = ["--device", "cuda", "--out", str(tmp_path / "run"), "--data-root", str(tmp_path)]
    assert main(["train", *data, *flags]) == 1
    assert "device = cuda: PyTorch does not find this device; use cpu" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
