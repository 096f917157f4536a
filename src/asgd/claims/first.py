"""The first edition of the decision rules, fixed before the runs of seeds 0 to 9 were looked at.

All margins are in ``asgd.settings.claims.ClaimsConfig``; the values below are its defaults. Runs are *paired* by seed,
and a comparison uses the seeds that both arms have. Interval, if no level is said: paired t-interval of 95 %. A 90 %
interval inside a margin is the same as two one-sided t-tests (TOST) at 5 %. Points are points of test accuracy. Only
runs that match the study's reference settings in everything but what the claim varies count; engine and device do
not tell runs apart. A verdict is *not applicable* if its arms have no runs, and *inconclusive* wherever an interval is
undefined: with one seed, and where the differences of all seeds are equal, as only equal runs have them. Two arms
*both fail* if neither run trained in at least half of their pairs: that they agree is then no evidence.

C1 (delay slows training). Area under the curve of the training loss over steps, divided by their range (a mean, in
    nats), between each adjacent pair of those m in {1, 10, 20, 30} that have runs. *Reproduced*: all lower limits
    > 0. *Not reproduced*: any upper limit < 0. Otherwise *inconclusive*. p-value: the largest of the one-sided
    sign-flip tests.
C2 (m = 1 and m = 10 differ by about 5 points at any time). 90 % intervals of acc(1) - acc(10) at every evaluation
    after the first epoch. *Reproduced*: at least 90 % of them inside [2, 8] points. *Not reproduced*: more than 10 %
    wholly outside. Otherwise *inconclusive*. *Not applicable* without evaluations after the first epoch, and where both
    arms fail. p-value: TOST against [2, 8] of the mean over these evaluations.
C3 (m = 100 does not train: constant loss). *Reproduced*: the Wilson lower limit of P(dead) > 0.5. *Partly* (alive at
    chance, or overflowed): that of P(not trained) > 0.5. *Not reproduced*: the Wilson upper limit of P(dead) < 0.5.
    Otherwise *inconclusive*. p-value: exact binomial test of P(dead) > 1/2.
C3b (in some runs already at m = 70). *Reproduced*: some runs dead, not all. *Partly*: some not trained, not all.
    *Not reproduced*: neither, and the Wilson interval of P(dead) does not contain 0.5. Otherwise *inconclusive*.
C4 (momentum makes no difference), per momentum convention. Final accuracy, with minus without momentum, at each m
    in {1, 10, 20, 30} that has runs. *Not reproduced*: any interval wholly outside +-2 points. *Reproduced*: TOST
    within +-2 points significant (5 %) at each. Otherwise *inconclusive*. An m at which both arms fail has no interval;
    if they do at each, the verdict is *not applicable*. p-value: the largest of the TOSTs, if there is one at each m.
C5 (with momentum m = 100 trains), per momentum convention. *Reproduced*: fewer runs fail (outcome other than
    trained) with momentum than without, by the exact McNemar test with Holm's adjustment over the conventions (5 %),
    and the Wilson lower limit of P(trained with momentum) > 0.5. *Not reproduced*: its upper limit < 0.5. Otherwise
    *inconclusive*.
C6 (dropout looks like delay, which may regularise). (a) The areas of C1 between adjacent dropout rates at m = 1:
    holds if all lower limits > 0, fails if any upper limit < 0. (b) For some m > 1 and p > 0, all of whose runs
    trained, the 90 % interval of acc(m) - acc(p) lies inside +-2 points at 90 % or more of the evaluations after the
    first epoch and at the last one. (c) The train-test gap (test loss minus loss on the training subset, both without
    dropout) is taken for each run where its training-subset loss first falls to one level, the lowest that all
    compared runs reach; its change against m = 1, p = 0 has the same sign for m as for p, both intervals without 0.
    It needs runs that overfit: it is taken from the longest runs, of at least the reference length, that a pair of (b)
    and m = 1, p = 0 have. The m and p of (c) are, of the pairs with such runs, a match of (b) before others, then the
    largest m and the p closest to it.
    *Not reproduced*: (a) fails, or (c) has opposite signs. *Reproduced*: all three. *Partly* ("slows alike, not shown
    to regularise"): (a) and (b). Otherwise *inconclusive*.

Beside each p-value stands Holm's adjustment over all verdicts that have one (C1, C2, C3, C4, C5). It is for the
reader; the rules above are the rules. (b) of C6 searches over pairs and is not adjusted for it.
"""

from asgd.claims.delay import judge_failure, judge_gap, judge_slowing, judge_some_failures
from asgd.claims.momentum import judge_no_difference, judge_rescue
from asgd.claims.regulariser import judge_regulariser
from asgd.claims.verdict import Verdict
from asgd.tables.arms import Study


def judge(study: Study) -> list[Verdict]:
    """Every claim, in order; p-values are not yet adjusted."""
    verdicts = [judge_slowing(study), judge_gap(study), judge_failure(study), judge_some_failures(study)]
    return [*verdicts, *judge_no_difference(study), *judge_rescue(study), judge_regulariser(study)]
