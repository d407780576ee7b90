"""What was observed of the sky, and how often."""
