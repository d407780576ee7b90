"""The FITS standard: cards, checksums and the structure of a file. Bytes in, nouns out."""
