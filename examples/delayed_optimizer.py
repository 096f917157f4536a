"""What does it cost if 16 workers train at once, each at weights that are out of date? A small network with Adam.

The lines that differ from a usual training loop are marked. Prints the loss on fresh data, at the server's weights.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asgd.torch import DelayedOptimizer  # this one

STEPS, BATCH = 1000, 64


def draw_batch(generator: torch.Generator, size: int) -> tuple[Tensor, Tensor]:
    """Points in the plane and the height of a wavy landscape there: [size, 2] and [size, 1]."""
    points = torch.rand(size, 2, generator=generator) * 4 - 2
    return points, torch.sin(2 * points[:, :1]) * torch.cos(points[:, 1:])


def train(num_workers: int, schedule: str) -> float:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0005)
    optimizer = DelayedOptimizer(optimizer, num_workers, schedule)  # this one
    batches = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        points, heights = draw_batch(batches, BATCH)
        optimizer.zero_grad()
        F.mse_loss(model(points), heights).backward()
        optimizer.step()
    points, heights = draw_batch(torch.Generator().manual_seed(2), 5000)
    with torch.no_grad(), optimizer.server_weights():  # and this one
        return F.mse_loss(model(points), heights).item()


for words, num_workers, schedule in [
    ("1 worker", 1, "round_robin"),
    ("16 workers in turn", 16, "round_robin"),
    ("16 workers at random", 16, "random"),
]:
    print(f"{words}: loss {train(num_workers, schedule):.5f}")
