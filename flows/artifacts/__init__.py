"""What runs leave in the Prefect user interface: progress, tables and Markdown."""
