"""The first edition of the decision rules, fixed before the runs of seeds 0 to 9 were looked at: a file a claim.

What all rules share: runs are *paired* by seed, and a comparison uses the seeds that both arms have. Interval, if no
level is said: paired t-interval at the margins' level of confidence; of a probability, Wilson's. A 90 % interval inside
a margin is the same as two one-sided t-tests (TOST) at 5 %. Points are points of test accuracy. Only runs that
match the study's base settings in everything but what the claim varies count; engine and device do not tell runs
apart. A verdict is *not applicable* if its arms have no runs, and *inconclusive* where the rule gives no other, and
wherever an interval is undefined: with one seed, and where the differences of all seeds are equal, as only equal runs
have them. Two arms *both fail* if neither run trained in at least half of their pairs: that they agree is then no
evidence.

Beside each p-value stands Holm's adjustment over all verdicts that have one. It is for the reader; the rules are the
rules.
"""
