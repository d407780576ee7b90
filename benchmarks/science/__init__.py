"""How well images are measured, with seeds written down."""
