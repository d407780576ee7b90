"""Prefect tasks: each with its retries, caching and run name, over one call of the library."""
