"""Checks and measurements that authors and users run on their own models."""
