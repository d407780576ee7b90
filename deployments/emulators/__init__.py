"""Emulators of Google Cloud on this machine."""
