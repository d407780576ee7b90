"""What the HTTP services are made of."""
