"""FITS images to their lossless archive form, and back."""
