"""The chains of one page: messages in, frames out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.errors import DataError, IsthmusError
from isthmus.studio.asking import parse_object
from isthmus.studio.frames import pack, unpack
from isthmus.studio.refusal import Refusal, one_sentence, told
from isthmus.studio.shown import shown

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.studio.context import Studio
    from isthmus.studio.lab.chain import WalkingChains
    from isthmus.studio.opened import OpenedRun

MOST_OPEN = 16
"""Pages that may walk chains at once; each keeps what it has seen."""
_log = logging.getLogger("uvicorn.error")
_MOST_WHOLE = 1 << 31


class Walk:
    """What one socket asks for, message by message.

    Parameters
    ----------
    studio : Studio
        The server's.
    run : str
        Name of the run.
    """

    _open = 0

    def __init__(self, studio: Studio, run: str) -> None:
        self._studio, self._run = studio, run
        self._chains: WalkingChains | None = None
        self._counted = False

    def close(self) -> None:
        """Make room for another page."""
        Walk._open -= self._counted
        self._counted = False

    async def answer(self, message: bytes | str) -> bytes:
        """The frame that answers a message; what is wrong with it is said in a frame as well."""
        request: dict[str, Any] = {}
        try:
            request, arrays = unpack(message) if isinstance(message, bytes) else (parse_object(message), {})
            opened = await self._studio.open(self._run)
            self._count()
            header, answer = await self._studio.work.run(self._do, opened, request, arrays)
            return pack({"id": _identity(request), **header}, **answer)
        except Exception as error:
            status, sentence = told(error)
            if not isinstance(error, Refusal | IsthmusError):
                _log.exception("a message on a socket of chains could not be answered")
            return pack({"id": _identity(request), "error": one_sentence(sentence), "status": status})

    def _count(self) -> None:
        if not self._counted and Walk._open >= MOST_OPEN:
            raise Refusal(429, f"{MOST_OPEN} pages walk chains already; close one first")
        Walk._open += not self._counted
        self._counted = True

    def _do(
        self, run: OpenedRun, request: dict[str, Any], arrays: dict[str, np.ndarray]
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        from isthmus.studio.lab.bodies import sample_of_frame
        from isthmus.studio.lab.chain import WalkingChains

        op = request.get("op")
        if op == "start":
            self._chains = None
            sample = sample_of_frame(arrays, run.info) if arrays else None
            n, seed = _whole(request, "chains", 8), _whole(request, "seed", 0)
            self._chains = WalkingChains(run, request.get("from", "noise"), n, seed, sample)
            return _state(self._chains, run.info, request)
        if op != "step":
            raise DataError("a message has op 'start' or 'step'")
        if self._chains is None:
            raise DataError("the chains have not been started: send a message with op 'start' first")
        trace = self._chains.walk(_whole(request, "n", 1))
        header, states = _state(self._chains, run.info, request)
        if request.get("judge") is True:
            header["verdict"] = self._chains.judge().plain()
        return header, {**states, "trace": trace}


def _identity(request: dict[str, Any]) -> int | None:
    identity = request.get("id")
    return identity if type(identity) is int and abs(identity) < 1 << 53 else None


def _whole(request: dict[str, Any], key: str, otherwise: int) -> int:
    value = request.get(key, otherwise)
    if type(value) is not int or not 0 <= value < _MOST_WHOLE:
        raise DataError(f"{key} must be a whole number from 0 to {_MOST_WHOLE - 1:,}")
    return value


def _state(
    chains: WalkingChains, info: DataInfo, request: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    header = {"step": chains.n_steps, "names": chains.names, "chains": chains.n_chains}
    # The mean of what a picture is drawn from shows the same without grain.
    means = info.is_picture and request.get("draws") is not True
    return header, {"shown": shown(chains.means if means else chains.state, info)}
