"""Tables of runs whose curves and outcomes are known, for the tests of the rules."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from asgd.claims import Verdict, judge_claims
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig

LN10 = math.log(10)

Curve = Callable[[np.ndarray, int], dict[str, Any]]


class Tables:
    """Runs and evaluations of arms whose curves are known: linear losses, constant accuracies, a little noise."""

    def __init__(self, base: RunConfig | None = None, epochs: float = 3.0) -> None:
        self.base = base or RunConfig(epochs=epochs)
        self.epochs = np.arange(0, 4 * epochs + 1) / 4
        self.runs: list[dict[str, Any]] = []
        self.evaluations: list[pd.DataFrame] = []

    def arm(
        self,
        *,
        loss: float = 1.5,
        accuracy: float = 0.5,
        gap: float = 0.1,
        outcomes: str | list[str] = "trained",
        seeds: int = 10,
        noise: float = 0.001,
        base: RunConfig | None = None,
        first_seed: int = 0,
        curve: Curve | None = None,
        **changes: Any,
    ) -> "Tables":
        """An arm whose losses fall to ``loss`` and whose test loss ends ``gap`` above it; noise differs by seed.

        ``curve`` makes columns of a run that replace those, of its epochs and its seed.
        """
        for seed in range(first_seed, first_seed + seeds):
            config = RunConfig(**{**(base or self.base).model_dump(), **changes, "seed": seed})
            shift = noise * np.random.default_rng([seed, len(self.runs)]).normal()
            name = f"{config.slug()}-{len(self.runs)}"
            outcome = outcomes if isinstance(outcomes, str) else outcomes[seed - first_seed]
            columns = curve(self.epochs, seed) if curve else {}
            self._add(config, name, outcome, loss + shift, accuracy + shift, gap, columns)
        return self

    def _add(
        self,
        config: RunConfig,
        name: str,
        outcome: str,
        loss: float,
        accuracy: float,
        gap: float,
        columns: dict[str, Any],
    ) -> None:
        done = self.epochs / self.epochs[-1]
        train = LN10 + (loss - LN10) * done
        names = {"run": name, "arm": config.arm(), "seed": config.seed}
        curve = {
            "step": np.round(1000 * self.epochs).astype(int),
            "epoch": self.epochs,
            "train_loss": np.where(done > 0, train, np.nan),
            "train_eval_loss": train,
            "test_loss": train + gap * done,
            "test_accuracy": np.where(done > 0, accuracy, 0.1),
        }
        self.evaluations.append(pd.DataFrame({**names, **curve, **columns}))
        ends = {"outcome": outcome, "final_test_accuracy": accuracy, "total_steps": curve["step"][-1]}
        self.runs.append({**config.model_dump(), **names, **ends})

    def judge(self, **margins: Any) -> dict[str, Verdict]:
        verdicts = judge_claims(*self.tables(), ClaimsConfig(**margins), self.base).verdicts
        return {verdict.id: verdict for verdict in verdicts}

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return pd.DataFrame(self.runs), pd.concat(self.evaluations, ignore_index=True)


def convention_of(name: str, momentum: float = 0.9) -> dict[str, Any]:
    where, convention = name.split("-")
    return {"momentum": momentum, "momentum_where": where, "momentum_convention": convention}
