"""Who runs a trained model: eager PyTorch, compiled PyTorch, or ONNX Runtime."""

from isthmus.engines.engine import Engine, engine_of
from isthmus.engines.settings import Backend, Precision, Setting, inference

__all__ = ["Backend", "Engine", "Precision", "Setting", "engine_of", "inference"]
