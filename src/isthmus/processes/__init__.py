"""Several processes that train one model: who they are, what each has of a batch, and how they are started."""

from isthmus.processes.group import Group, is_writer
from isthmus.processes.share import Share, own_rows, whole_batch

__all__ = ["Group", "Share", "is_writer", "own_rows", "whole_batch"]
