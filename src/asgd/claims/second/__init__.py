"""The second edition of the decision rules, fixed before its runs were started. It uses fresh seeds.

Each claim is a file. An independent review of the first edition found no fault in its numbers, but in some of its
rules. C1 and C4 could be reproduced although an m had no runs. C2 and C6 counted evaluations, though those of one run
depend on each other. C3 and C3b counted dead runs only, not all that do not train. C4 did not adjust for the number of
m. C5 did not ask whether most runs without momentum fail. C6 searched for a pair of m and p without adjustment, and
compared the gaps of a pair that did not match.

All rules of this edition have the following in common. Runs are *paired* by seed, and a comparison uses the seeds that
both arms have; a statement about one arm uses all its runs. If no level is given, an interval is a paired t-interval at
the margins' level of confidence; a probability has a Wilson interval. "Lower" and "upper" are its limits. A run that
overflowed has the accuracy of chance. Curves are interpolated linearly between evaluations. Where a rule must hold in
several places, the one where it holds least surely decides: effect and interval are its own, unless the claim says
otherwise, and the p-value is the largest of all. A ratio is judged by its logarithm, and shown as the ratio. A 90 %
interval inside a margin is equivalent to two one-sided t-tests (TOST) at 5 %. p-values are one-sided in the direction
of the claim: small values support it. Sign-flip tests are exact up to 16 seeds; of more, 65,536 patterns of signs are
drawn. Points are points of test accuracy. Only runs count that match the study's base settings in everything except
what the claim varies; engine and device do not distinguish runs.

A verdict has a *setting*. Some claims are also judged at a second one, the margins' `same_rate`, unless it is the
study's own. If a claim has several kinds of momentum, each has a verdict. PyTorch's convention is judged at the nominal
learning rate eta, where its steps are 1 / (1 - b) times as long, and, as `scaled`, at eta (1 - b). There it takes the
same steps as the average at eta. *The same trajectory is judged once*, so if the average has runs, the scaled verdict
refers to it. (At m = 1 server and worker are the same, and the verdicts of both kinds also use that m.)

A verdict is *not applicable* if its arms have no runs. It is *inconclusive* if the rule gives no other verdict, and if
an interval is undefined: with one seed, or if the differences of all seeds are equal, which happens only if the runs
are equal. If an m that the rule names has no runs, the claim cannot be reproduced, but other m can still refute it. Two
arms *both fail* if in at least half of their pairs neither run trained; their agreement is then no evidence.

E7 asks which remedy helps most. It gets a ranking, the table `remedies.csv`, instead of a verdict.

Each p-value is shown with Holm's adjustment over all verdicts that have one. The adjustment informs the reader; it does
not enter the rules. All intervals are conditional on one test set.
"""
