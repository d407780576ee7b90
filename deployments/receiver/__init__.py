"""Storage events in: who may send them, what they say, how Prefect gets them."""
