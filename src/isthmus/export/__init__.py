"""A trained model for others: as ONNX, and as a page that needs no server."""

from isthmus.export.page import Page, write_page

__all__ = ["Page", "write_page"]
