"""Brightness of catalogued stars in the frames of one observation."""
