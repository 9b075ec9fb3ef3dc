"""Weights of the official releases -> ours."""
