"""Simulated units: nights of uploads for demos, tests and load, the same for the same seed."""
