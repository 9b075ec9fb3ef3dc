"""The tables of a study, and where they come from. No torch."""
