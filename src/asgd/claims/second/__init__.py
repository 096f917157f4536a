"""The second edition of the decision rules, fixed before its runs, of fresh seeds, were started: a file a claim.

An independent check of the first edition found faults in some of its rules. What all rules share here: runs are
*paired* by seed, and a comparison uses the seeds that both arms have; a statement about one arm uses all its runs.
Interval, if no level is said: paired t-interval at the margins' level of confidence; of a probability, Wilson's. Lower
and upper are its limits. A 90 % interval inside a margin is the same as two one-sided t-tests (TOST) at 5 %. p-values
are one-sided in the direction of the claim: small supports it. Points are points of test accuracy. Only runs that match
the study's base settings in everything but what the claim varies count; engine and device do not tell runs apart.

A verdict carries its *setting*. Some claims are judged at a second one too, the margins' `same_rate`, unless that is
the study's own. Of a claim with several kinds of momentum each has a verdict. PyTorch's convention is judged at the
nominal learning rate eta, where its step is 1 / (1 - b) times as long, and, `scaled`, at eta (1 - b). There it takes
the steps of the average at eta: *the same trajectory is judged once*, so where the average has runs the scaled verdict
refers to it. (At m = 1 server and worker are one, and the verdicts of both kinds rest on that m too.)

A verdict is *not applicable* if its arms have no runs, and *inconclusive* where the rule gives no other. So it is
where an interval is undefined: with one seed, and where the differences of all seeds are equal, as only equal runs have
them. An m that the rule names and that has no runs can make no claim true, and does not keep others from refuting it.
Two arms *both fail* if neither run trained in at least half of their pairs: that they agree is then no evidence.

Beside each p-value stands Holm's adjustment over all verdicts that have one. It is for the reader; the rules are the
rules. All intervals are conditional on one test set.
"""
