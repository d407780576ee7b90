"""From an observation's archived frames to light curves of its stars."""
