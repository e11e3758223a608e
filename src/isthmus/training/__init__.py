"""Optimisation: one loop, its settings, and what survives a crash."""

from isthmus.training.callbacks import Callback, Epoch
from isthmus.training.recording import ReconstructionRecorder
from isthmus.training.trainer import Trainer

__all__ = ["Callback", "Epoch", "ReconstructionRecorder", "Trainer"]
