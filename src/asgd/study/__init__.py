"""A preset as a whole: planned, compared, pruned and verified."""
