"""Simulated units: nights of uploads for demos, tests and load, the same for the same seed."""

from panoptes.network.simulator.night import Night, Sent, folder_sink, simulate_night

__all__ = ["Night", "Sent", "folder_sink", "simulate_night"]
