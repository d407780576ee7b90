"""What the measurements of stars are worth: `make science`."""
