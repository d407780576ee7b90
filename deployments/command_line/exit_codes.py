"""How the commands end, for scripts."""

OK = 0
FAILED = 1
NOT_ALL = 3
"""Something was found wrong, is left, or was not found; what was done is done."""
