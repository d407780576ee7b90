"""Prefect blocks: what the Prefect UI shows and edits."""
