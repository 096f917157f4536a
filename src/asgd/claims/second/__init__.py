"""The second edition of the decision rules, fixed before its runs, of fresh seeds, were started: a file a claim."""
