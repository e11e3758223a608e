"""Who may ask: what stands before every route, on HTTP and on sockets.

A page of another site that a browser shows can send requests to this machine. It must not be able to use the server,
with its own name (the ``Origin`` is checked) or with a name that it lets point here (the ``Host`` is checked).
"""

from __future__ import annotations

import hmac
from collections import Counter
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from isthmus.studio.refusal import Refusal
from isthmus.studio.settings import Settings, is_loopback

_SAFE = ("GET", "HEAD", "OPTIONS")
_AGAIN = {"Retry-After": "1"}
_STRANGER = "the request comes from a page of another site, which may not use this server"


class Guards:
    """Middleware that lets a request pass, or refuses it before anything is read.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    settings : Settings
        Host, token and limits.
    policy : str
        Content security policy of all answers.
    """

    def __init__(self, app: ASGIApp, settings: Settings, policy: str) -> None:
        self._app, self._settings, self._policy = app, settings, policy
        self._in_flight: Counter[tuple[str, str]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sealed = self._sealed(scope, send)
        client = (scope["type"], (scope.get("client") or ("",))[0])
        try:
            self._check_names(scope, headers)
            entrance = self._check_token(scope, headers)
            self._check_size(headers)
            self._count_in(client)
        except Refusal as refusal:
            await _answer(refusal.response(), scope, receive, sealed)
            return
        try:
            if entrance is not None:
                await entrance(scope, receive, sealed)
                return
            await self._app(scope, self._metered(receive), sealed)
        finally:
            self._in_flight[client] -= 1
            if not self._in_flight[client]:
                del self._in_flight[client]

    def _check_names(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        if self._settings.token is None and not is_loopback(_name_of(host)):
            raise Refusal(
                403, "this server answers to localhost and 127.0.0.1 only, and the request names another host"
            )
        # A picture or a script of another page's can be an address here; a link that is followed may be.
        strange = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if strange and headers.get("sec-fetch-mode") != "navigate":
            raise Refusal(403, _STRANGER)
        if scope["type"] == "http" and scope["method"] in _SAFE:
            return
        # Programs that are no browser send none.
        origin = headers.get("origin")
        if origin is not None and (urlsplit(origin).netloc.lower() or None) != host.lower():
            raise Refusal(403, _STRANGER)

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        """Refuse a request without the token; a page that was opened with it in its address gets it as a cookie."""
        token = self._settings.token
        if token is None:
            return None
        if scope["type"] == "http" and scope["path"] == "/":
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
            if given and _same(given[0], token):
                return self._entrance(token)
        scheme, _, word = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(word.strip(), token):
            return None
        if _same(_cookie(headers.get("cookie", ""), self._cookie_name), token):
            return None
        raise Refusal(
            401,
            "this server wants its token: open the address with ?token=... that its terminal shows, or send the header "
            "Authorization: Bearer ...",
            {"WWW-Authenticate": "Bearer"},
        )

    def _entrance(self, token: str) -> Response:
        response = RedirectResponse("/", 303)
        response.set_cookie(self._cookie_name, token, httponly=True, samesite="strict", path="/")
        return response

    @property
    def _cookie_name(self) -> str:
        # Cookies know no ports, and there may be several servers on one machine.
        return f"isthmus-{self._settings.port}"

    def _check_size(self, headers: Headers) -> None:
        declared, most = headers.get("content-length", "0"), self._settings.limits.body
        if not declared.isascii() or not declared.isdigit():
            raise Refusal(400, "the length of the body must be a whole number")
        if len(declared) > 18 or int(declared) > most:
            raise _too_long(most)

    def _count_in(self, client: tuple[str, str]) -> None:
        most = self._settings.limits.per_client
        if self._in_flight[client] >= most:
            kind = "requests" if client[0] == "http" else "sockets"
            raise Refusal(429, f"{most} {kind} of this client are open already; wait for an answer first", _AGAIN)
        self._in_flight[client] += 1

    def _metered(self, receive: Receive) -> Receive:
        """Count what comes, as a body need not declare its length."""
        most, seen = self._settings.limits.body, 0

        async def metered() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > most:
                    raise _too_long(most)
            return message

        return metered

    def _sealed(self, scope: Scope, send: Send) -> Send:
        """Add the headers that every answer has."""

        async def sealed(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self._policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                # Pages and scripts are asked for anew each time; what has not changed is not sent again.
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith("/api/") else "no-cache")
            await send(message)

        return sealed


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a request, or the handshake of a socket."""
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await response(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": "refused"})


def _name_of(host: str) -> str:
    """The name or address in a ``Host`` header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _same(given: str, token: str) -> bool:
    # In a time that does not tell how much of it is right.
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _too_long(most: int) -> Refusal:
    return Refusal(413, f"the body is longer than the {most:,} bytes that this server takes")
