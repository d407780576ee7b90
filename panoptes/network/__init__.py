"""The library of the PANOPTES network: files, formats, stores, the catalogue and the ingest."""
