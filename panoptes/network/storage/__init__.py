"""Where files are kept: object stores over a folder and over Cloud Storage."""
