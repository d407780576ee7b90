"""How the network runs: command line, local stack, services."""
