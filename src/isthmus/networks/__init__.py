"""Pairs of encoder and decoder."""

from isthmus.networks.base import Network
from isthmus.networks.conv import Conv
from isthmus.networks.ladder import Ladder
from isthmus.networks.mlp import MLP, Linear
from isthmus.networks.scaling import Scaling
from isthmus.networks.unet import UNet

__all__ = ["MLP", "Conv", "Ladder", "Linear", "Network", "Scaling", "UNet"]
