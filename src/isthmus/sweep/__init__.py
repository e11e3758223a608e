"""Searching for good parameters, by many trials in an Optuna study."""

from isthmus.sweep.search import Search, search

__all__ = ["Search", "search"]
