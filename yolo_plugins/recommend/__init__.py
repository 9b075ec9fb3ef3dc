"""Which detector within a budget on this machine: measured latency, joined with what a study's law says of scores."""
