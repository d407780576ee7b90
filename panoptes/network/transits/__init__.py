"""Transits that are looked for in light curves: of a night, and of a season."""
