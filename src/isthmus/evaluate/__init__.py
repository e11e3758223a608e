"""Bounds and metrics, each with its definition."""
