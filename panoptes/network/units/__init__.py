"""The telescopes themselves: what they say of themselves, who registered them, their keys."""
