"""One self-contained page about a trained model."""

from isthmus.report.page import write_report

__all__ = ["write_report"]
