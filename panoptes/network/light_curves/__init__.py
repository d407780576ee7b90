"""Light curves of an observation: magnitudes, trends, transits, and the forms they are given in."""
