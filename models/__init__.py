"""Nouns and rules of the PANOPTES network. Nothing here reads or writes anything."""
