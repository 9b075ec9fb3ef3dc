"""The statistics of a study: numpy and scipy on its tables. No torch."""
