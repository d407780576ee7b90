"""Taking over what was there before this network: documents of earlier software, and archives.

Nothing of theirs is moved, and nothing is lost: what was said is kept, beside what is ours.
"""

from panoptes.network.adoption.adopting import adopt

__all__ = ["adopt"]
