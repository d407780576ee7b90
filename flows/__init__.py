"""Compositions of tasks."""
