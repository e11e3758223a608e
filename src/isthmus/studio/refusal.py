"""What is not done, as one clear sentence with the status that fits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from isthmus.errors import IsthmusError

if TYPE_CHECKING:
    from starlette.responses import JSONResponse

_FOLDERS = re.compile(r"""(?<![\w.])(?:/[^\s/'",;:()]+)+/(?=[^\s/'",;:()])""")


class Refusal(Exception):
    """A request that is not served.

    Parameters
    ----------
    status : int
        Of HTTP.
    sentence : str
        What was seen, and what to do.
    headers : dict of str to str, optional
        Of the answer.
    """

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers or {}

    def response(self) -> JSONResponse:
        """The answer that says so."""
        return refuse(self.status, self.sentence, self.headers)


def refuse(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """``{"error": sentence}`` with a status."""
    # Here, as an export of a page asks the same questions of a run without any server.
    from starlette.responses import JSONResponse

    return JSONResponse({"error": one_sentence(sentence)}, status, headers)


def one_sentence(text: Any, most: int = 400) -> str:
    """A message on one line, of bounded length."""
    line = " ".join(str(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def scrubbed(error: IsthmusError) -> str:
    """What an error says, without where on this machine things lie: of a path its last part."""
    return one_sentence(_FOLDERS.sub("", str(error)))


def told(error: Exception) -> tuple[int, str]:
    """Status and sentence of whatever was raised; of what nobody expected only its kind, not what it says."""
    if isinstance(error, Refusal):
        return error.status, error.sentence
    if isinstance(error, IsthmusError):
        return 422, scrubbed(error)
    return 500, f"the server met a fault of its own ({type(error).__name__}); its terminal says more"
