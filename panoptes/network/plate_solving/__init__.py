"""Where on the sky an image is: its stars found, recognised, and a WCS fitted to them."""
