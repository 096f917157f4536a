"""The first edition's pairs of settings, on a map whose truth is known."""

import pandas as pd
import pytest

from asgd.analyses.pairs import PAIR_CLAIMS, summarize_pairs, tabulate_pairs
from asgd.analyses.phase_map import PhaseMap
from asgd.claims import judge_claims
from asgd.settings.run import RunConfig
from tests.analyses.maps import MARGINS, make_map


@pytest.fixture(scope="module")
def decisive() -> tuple[PhaseMap, pd.DataFrame]:
    """A map with enough seeds for every rule, and all its pairs."""
    phase_map = make_map(8)
    return phase_map, tabulate_pairs(phase_map)


def test_a_pair_judges_momentum_at_a_rate_of_its_own(decisive: tuple[PhaseMap, pd.DataFrame]) -> None:
    phase_map, _ = decisive
    pair = phase_map.judge_pair(0.01, 0.02)
    assert list(pair) == ["server-pytorch", "server-ema", "worker-ema"]
    assert [verdict.verdict for verdict in pair["server-ema"]] == ["reproduced", "reproduced"]
    assert [verdict.verdict for verdict in phase_map.judge_pair(0.01, 0.01)["server-ema"]] == ["not reproduced"] * 2
    expected = judge_claims(
        phase_map.runs,
        phase_map.evaluations,
        MARGINS,
        RunConfig(epochs=3, learning_rate=0.01, engine="fused"),
        RunConfig(epochs=3, learning_rate=0.02, engine="fused"),
    )
    same = {verdict.id: verdict.details for verdict in expected.verdicts}
    assert [verdict.details for verdict in pair["server-ema"]] == [same["C4-server-ema"], same["C5-server-ema"]]


def test_the_one_pair_that_fits_the_paper_is_found(decisive: tuple[PhaseMap, pd.DataFrame]) -> None:
    _, pairs = decisive
    assert len(pairs) == 2 * 2 * 3
    best = pairs[pairs["reproduced"] == len(PAIR_CLAIMS)]
    assert best[["rate_none", "rate_momentum", "variant"]].values.tolist() == [[0.01, 0.02, "server-ema"]]
    assert (pairs[pairs["rate_none"] == 0.02]["C2"] == "not reproduced").all()
    assert (pairs["C3"] == "reproduced").all()
    found = summarize_pairs(pairs, 8, MARGINS)
    assert [found[key] for key in ("pairs", "reproduced", "holding", "most", "most_pairs")] == [12, 1, 1, 4, 1]
    assert found["best"] == {
        **{"rate_none": 0.01, "rate_momentum": 0.02, "variant": "server-ema"},
        **{"holding": ["C2", "C3", "C4", "C5"], "reproduced": ["C2", "C3", "C4", "C5"]},
    }
    assert found["can_decide"]


def test_few_seeds_hold_without_being_reproduced_and_the_summary_says_so() -> None:
    phase_map = make_map(5)
    pairs = tabulate_pairs(phase_map)
    best = pairs[pairs["holding"] == 4]
    assert best[["rate_none", "rate_momentum", "variant"]].values.tolist() == [[0.01, 0.02, "server-ema"]]
    assert best["C5"].tolist() == ["inconclusive"]
    assert best["C5_holds"].tolist() == [True]
    found = summarize_pairs(pairs, 5, MARGINS)
    assert [found[key] for key in ("reproduced", "holding", "can_decide")] == [0, 1, False]
    assert found["smallest_p"] == pytest.approx(3 / 16)  # 5 of 5 pairs changed, for each of three conventions
    assert found["best"]["reproduced"] == ["C2", "C3", "C4"]
