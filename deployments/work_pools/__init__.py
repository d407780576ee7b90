"""Work pools, queues and deployments."""
