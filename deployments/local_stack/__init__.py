"""Processes of the local stack: its server, its port and folder, their end."""
