"""Where a name is looked up."""
