"""Studies: what to train, how to run it, and what the runs say."""
