"""Damage of every kind, a module for each kind of file; `mutant` chooses by number."""
