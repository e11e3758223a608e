"""Several processes that train one model: who they are, what each has of a batch, and how they are started."""

from isthmus.processes.group import Group, is_writer
from isthmus.processes.share import Share, whole_batch

__all__ = ["Group", "Share", "is_writer", "whole_batch"]
