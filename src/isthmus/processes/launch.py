"""Starting and joining the processes, through Fabric: on this machine, under torchrun, SLURM, LSF, or MPI."""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch

from isthmus.errors import IsthmusWarning, ParameterError
from isthmus.processes.group import Group, Joined
from isthmus.processes.peers import Peers
from isthmus.training.runtime import choose_device

if TYPE_CHECKING:
    from isthmus.training.trainer import Trainer

# A process that is gone is noticed at once; this is for one that is there and does not answer.
_TIMEOUT = timedelta(minutes=10)
_LAST_WAIT = 10.0
# Where Fabric looks for its place among the processes.
_SET = ("LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "WORLD_SIZE")


def join(trainer: Trainer) -> Group:
    """The group of processes that ``trainer`` asks for: started now, or those that there are already.

    Raises
    ------
    ParameterError
        There cannot be such a group here; the message says why.
    LostProcessError
        A process ended before all were there.
    """
    devices, num_nodes = _wanted(trainer)
    joined = Joined.group
    if devices * num_nodes == 1:
        return Group() if joined is None else _Apart(joined.is_writer)
    if joined is None:
        joined = Joined.group = _start(trainer, devices, num_nodes)
    if joined.world != devices * num_nodes:
        raise ParameterError(
            f"this program runs as {joined.world} processes already, and cannot train with {devices * num_nodes}; use "
            "devices='auto' or the same number, or start it anew"
        )
    return joined


class _Apart(Group):
    """A process that trains a model of its own beside others of its group, all of which do the same."""

    def __init__(self, writes: bool) -> None:
        super().__init__()
        self._writes = writes

    @property
    def is_writer(self) -> bool:
        return self._writes


def _wanted(trainer: Trainer) -> tuple[int, int]:
    """Processes on each machine, and machines. Only torchrun, and an earlier call, leave no doubt of themselves."""
    if trainer.devices != "auto":
        return int(trainer.devices), trainer.num_nodes
    if Joined.group is not None:
        return Joined.group.world, 1
    if "TORCHELASTIC_RUN_ID" in os.environ:
        n_here = int(os.environ["LOCAL_WORLD_SIZE"])
        return n_here, int(os.environ["WORLD_SIZE"]) // n_here
    return 1, trainer.num_nodes


def _start(trainer: Trainer, devices: int, num_nodes: int) -> Group:
    fabric = _fabric(trainer, devices, num_nodes)
    environment = fabric.strategy.cluster_environment
    others = [] if environment.creates_processes_externally else _start_others(environment, devices, num_nodes)
    peers = Peers(others)
    try:
        peers.run(fabric.launch)
    except BaseException as error:
        _undo(others)
        if not isinstance(error, ValueError | RuntimeError):
            raise
        raise ParameterError(f"the {devices * num_nodes} processes cannot be joined: {_first_line(error)}") from None
    if fabric.device.type == "cuda":
        torch.cuda.set_device(fabric.device)
    if fabric.global_rank > 0:
        warnings.simplefilter("ignore", IsthmusWarning)  # the first process gives them
    return Group(fabric.global_rank, fabric.world_size, fabric.device, peers, devices)


def _fabric(trainer: Trainer, devices: int, num_nodes: int) -> Any:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    # Otherwise it announces every process on the terminal.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    device = choose_device(trainer.device)
    if device.index is not None and devices > 1:
        raise ParameterError(f"device={trainer.device!r} is a single one, and devices={devices}; use {device.type!r}")
    try:
        return Fabric(
            accelerator=device.type,
            devices=devices,
            num_nodes=num_nodes,
            # Only its processes: gradients are summed by the training itself, the same way whatever the device.
            strategy=DDPStrategy(timeout=_TIMEOUT),
        )
    except Exception as error:  # what it raises has no class in common
        raise ParameterError(
            f"devices={devices}, num_nodes={num_nodes} cannot be had here: {_first_line(error)}"
        ) from None


def _start_others(environment: Any, devices: int, num_nodes: int) -> list[subprocess.Popen]:
    """Start this program again for every other device of this machine, as Fabric's environment expects to find them.

    Fabric would start them too, but it kills the first process with SIGKILL, whatever it is doing, once another ends
    with an error: there would be no message, and after Ctrl-C no model.
    """
    command = _same_command(devices)
    if num_nodes > 1 and not {"MASTER_ADDR", "MASTER_PORT", "NODE_RANK"} <= os.environ.keys():
        raise ParameterError(
            f"num_nodes={num_nodes} needs the environment variables MASTER_ADDR, MASTER_PORT and NODE_RANK on every "
            "machine; or start the program with torchrun or SLURM, which set them"
        )
    os.environ |= {
        "LOCAL_RANK": "0",
        "MASTER_ADDR": environment.main_address,
        "MASTER_PORT": str(environment.main_port),
        "NODE_RANK": str(environment.node_rank()),
        "WORLD_SIZE": str(devices * num_nodes),
    }
    others = [
        subprocess.Popen(
            command,
            env={**os.environ, "LOCAL_RANK": str(rank), Peers.PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            # What a program prints is printed once.
            stdout=subprocess.DEVNULL,
        )
        for rank in range(1, devices)
    ]
    atexit.register(_await, others)
    return others


def _undo(others: list[subprocess.Popen]) -> None:
    """End processes that could not be joined, so that the program can go on without them."""
    for process in others:
        process.kill()
        process.wait()
    for name in _SET if others else ():
        os.environ.pop(name, None)


def _same_command(devices: int) -> Sequence[str]:
    args = sys.orig_argv[1:]
    if hasattr(sys, "ps1") or "ipykernel" in sys.modules or not args or args[-1] == "-":
        raise ParameterError(
            f"devices={devices} starts the program again in other processes, which an interactive session does not "
            "allow; put it into a file, or use the command line (isthmus fit ... --devices) or torchrun"
        )
    return [sys.executable, *args]


def _await(others: list[subprocess.Popen]) -> None:
    """Do not leave before the others, unless they take long."""
    for process in others:
        try:
            process.wait(_LAST_WAIT)
        except subprocess.TimeoutExpired:
            return


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
