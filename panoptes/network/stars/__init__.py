"""The stars that are looked for in images: a packaged catalogue and an operator's own."""
