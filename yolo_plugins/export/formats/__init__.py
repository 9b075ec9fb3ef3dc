"""One module a format: how a file of it is written, and run."""
