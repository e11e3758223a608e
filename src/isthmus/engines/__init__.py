"""Who runs a trained model: eager PyTorch, compiled PyTorch, or ONNX Runtime.

Nothing is imported here, so that the settings can be had without PyTorch.
"""
