"""The first edition of the decision rules, fixed before the runs of seeds 0 to 9 were looked at. Each claim is a file.

All rules have the following in common. Runs are *paired* by seed, and a comparison uses the seeds that both arms have.
If no level is given, an interval is a paired t-interval at the margins' level of confidence; a probability has a Wilson
interval. A 90 % interval inside a margin is equivalent to two one-sided t-tests (TOST) at 5 %. Points are points of
test accuracy. Only runs count that match the study's base settings in everything except what the claim varies; engine
and device do not distinguish runs. A verdict is *not applicable* if its arms have no runs. It is *inconclusive* if the
rule gives no other verdict, and if an interval is undefined: with one seed, or if the differences of all seeds are
equal, which happens only if the runs are equal. Two arms *both fail* if in at least half of their pairs neither run
trained; their agreement is then no evidence.

Each p-value is shown with Holm's adjustment over all verdicts that have one. The adjustment informs the reader; it does
not enter the rules.
"""
