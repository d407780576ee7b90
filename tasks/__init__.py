"""One capability a module: a typed function, and the Prefect task that wraps it."""
