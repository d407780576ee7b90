"""The outside: where files and documents are kept."""
