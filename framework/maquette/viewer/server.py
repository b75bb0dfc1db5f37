"""viser's server, behind a check of each request.

viser serves any file that the system lets it read to a request whose path has `..` (up to 0.2.23 at least), and takes
websockets from every page that a browser has open. So a request is refused here if its path leaves the client's folder
or if it comes from a page of another address; and the page may load nothing from elsewhere.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import logging
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from maquette.errors import ConfigError, MissingDependency

if TYPE_CHECKING:
    from viser import ViserServer

_log = logging.getLogger(__name__)

HOST, PORT = "127.0.0.1", 8080
POLICY = "default-src 'self' data: blob: ws: wss: 'unsafe-inline' 'unsafe-eval'"  # viser's page counts visits elsewhere
CLOSING_SECONDS = 2.0  # at most, until the server's thread has said goodbye


def require_viser() -> None:
    """Raise MissingDependency, with what to install, where viser is missing."""
    from importlib.util import find_spec

    if find_spec("viser") is None:
        raise MissingDependency('the viewer needs viser: pip install "maquette[viewer]"')


def start_server(host: str = HOST, port: int = PORT) -> ViserServer:
    """A server at this address, or at the next free port, which is said.

    Raises:
        MissingDependency: viser is missing.
        ConfigError: nothing can be served at this host.
    """
    require_viser()
    with _guarded(), contextlib.redirect_stdout(io.StringIO()):  # viser prints a box of its own
        _check_host(host)
        from viser import ViserServer

        server = ViserServer(host, port, label="maquette", verbose=False)
    _forbid_sharing(server)
    taken = "" if server.get_port() == port else f" (port {port} is taken)"
    _log.info("viewer: %s%s", page_address(server), taken)
    if host not in (HOST, "localhost", "::1"):
        _log.warning("the viewer at %s has no password: whoever reaches this address can steer the run", host)
    return server


def page_address(server: ViserServer) -> str:
    """The address of the page, for a browser of this machine."""
    host = server.get_host()
    return f"http://{'localhost' if host in ('0.0.0.0', '::') else host}:{server.get_port()}"


def stop_server(server: ViserServer) -> None:
    """Stop the server, without viser's own words about it."""
    words = io.StringIO()
    server.get_event_loop().set_exception_handler(lambda *_: None)  # of tasks that wait for browsers
    with contextlib.redirect_stdout(words):
        server.stop()
        until = time.monotonic() + CLOSING_SECONDS
        while not words.getvalue() and time.monotonic() < until:
            time.sleep(0.01)


def refusal(path: str, origin: str | None, host: str | None) -> str | None:
    """Why a request is refused; None: it is served.

    Args:
        path: of the request, with percent signs as they came.
        origin: the page that a browser says the request comes from; None: not said, as by other programs.
        host: the address that the request was sent to.

    Example:
        >>> refusal("/../../etc/passwd", None, "127.0.0.1:8080")
        'the path leaves the folder'
        >>> refusal("/", "http://elsewhere.org", "127.0.0.1:8080")
        'the request comes from a page of http://elsewhere.org'
        >>> refusal("/assets/index.js?v=1", "http://127.0.0.1:8080", "127.0.0.1:8080")
    """
    plain = unquote(path.partition("?")[0]).replace("\\", "/")
    if ".." in plain.split("/") or "\0" in plain:
        return "the path leaves the folder"
    if origin is not None and urlsplit(origin).netloc != host:
        return f"the request comes from a page of {origin}"
    if not _is_here(host):  # another's name may lead to this machine
        return f"the request was sent to {host}"
    return None


def _is_here(host: str | None) -> bool:
    """Whether an address is a number, or a name of this machine."""
    name = (urlsplit(f"//{host or ''}").hostname or "").lower()
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    if name in ("", "localhost"):
        return True
    return name in (socket.gethostname().lower(), socket.getfqdn().lower())  # which may ask a name server


def _forbid_sharing(server: ViserServer) -> None:
    """Let viser's button "Share" publish nothing; without the button (0.2.23) its page does not start."""

    def refuse(verbose: bool = True) -> None:
        for client in server.get_clients().values():
            client.add_notification("Not shared", "maquette publishes no page through a server of others", color="red")

    server.request_share_url = refuse  # type: ignore[method-assign]


def _check_host(host: str) -> None:
    try:
        family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family[0], socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
    except OSError as problem:
        raise ConfigError(
            f"nothing can be served at {host}: {problem.strerror or problem}",
            key="--host", hint=f"{HOST} is this machine alone, 0.0.0.0 all of its addresses",
        ) from None  # fmt: skip


@contextlib.contextmanager
def _guarded() -> Iterator[None]:
    """Let servers that websockets starts inside the block refuse what `refusal` refuses."""
    import http

    import websockets.asyncio.server as package
    from websockets.datastructures import Headers
    from websockets.http11 import Response

    serve: Any = package.serve

    def guarding(handler: Any, *arguments: Any, process_request: Callable[..., Any] | None = None, **rest: Any) -> Any:
        def check(connection: Any, request: Any) -> Any:
            headers = request.headers
            if refusal(request.path, headers.get("Origin"), headers.get("Host")):
                return Response(http.HTTPStatus.FORBIDDEN, "FORBIDDEN", Headers())
            response = process_request(connection, request) if process_request is not None else None
            if response is not None:
                response.headers["Content-Security-Policy"] = POLICY
            return response

        return serve(handler, *arguments, process_request=check, **rest)

    package.serve = guarding  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        package.serve = serve  # type: ignore[misc]
