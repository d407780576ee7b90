"""The way of an uploaded file to an archived, catalogued image."""
