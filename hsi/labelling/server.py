"""A web server for one user of this computer: on 127.0.0.1 only, with a token in its address."""

from __future__ import annotations

import logging
import secrets
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hsi.errors import UsageError

if TYPE_CHECKING:
    from bokeh.document import Document
    from tornado.httputil import HTTPServerRequest

ADDRESS = "127.0.0.1"
MISSING = "hsi label needs the package bokeh, which is not installed: pip install 'hsi-landcover[label]'"
LARGEST_MESSAGE = 64 * 2**20  # bytes from the browser
UNUSED_MS = 600_000  # after which a session that no window is connected to is forgotten
SOURCES = "'self' 'unsafe-inline' 'unsafe-eval' data: blob: ws:"  # as Bokeh needs them
HEADERS = {
    "Referrer-Policy": "no-referrer",  # it has the token
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": f"default-src {SOURCES}; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def check_installed() -> None:
    """Raise :class:`UsageError` where Bokeh is missing."""
    try:
        import bokeh.server.server  # noqa: F401
    except ImportError:
        raise UsageError(MISSING) from None


def refusal(request: HTTPServerRequest, port: int, token: str) -> str | None:
    """Why a request is refused: it names another host, has another token, or comes from a page of another site.

    A page of another site cannot know the token; the other two tests hold even if it does.
    """
    hosts = {f"{name}:{port}" for name in (ADDRESS, "localhost")}
    if request.headers.get("Host", "").lower() not in hosts:
        return "this server answers to 127.0.0.1 only"
    origins = request.headers.get_list("Origin")
    if any(urlsplit(origin).netloc.lower() not in hosts or not origin.startswith("http://") for origin in origins):
        return "requests of other sites are refused"
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return "requests of other sites are refused; open the address that hsi label printed in a new window"
    given = request.path.strip("/").partition("/")[0]
    if not secrets.compare_digest(given.encode(), token.encode()):
        return "the token in the address is wrong; open the address that hsi label printed"
    return None


class PageServer:
    """Serves one page, which ``build`` fills for each window that opens it.

    Raises :class:`UsageError` for a ``port`` that is in use; 0 is any free one.
    """

    def __init__(self, build: Callable[[Document], None], port: int = 0) -> None:
        from bokeh.application import Application
        from bokeh.application.handlers.function import FunctionHandler
        from bokeh.server.server import BaseServer
        from bokeh.server.tornado import BokehTornado
        from bokeh.server.util import bind_sockets
        from tornado.httpserver import HTTPServer
        from tornado.ioloop import IOLoop
        from tornado.web import OutputTransform, RequestHandler

        class Refused(RequestHandler):
            def initialize(self, reason: str) -> None:
                self.reason = reason

            def prepare(self) -> None:
                self.set_status(403)
                self.set_header("Content-Type", "text/plain; charset=utf-8")
                self.finish(f"refused: {self.reason}\n")

        class Guarded(BokehTornado):
            def find_handler(self, request: HTTPServerRequest, **more: Any) -> Any:
                reason = refusal(request, owner.port, owner.token)
                if reason is not None:
                    return self.get_handler_delegate(request, Refused, {"reason": reason})
                return super().find_handler(request, **more)

            def log_request(self, handler: Any) -> None:
                """Addresses hold the token, which logs must not."""

        class WithHeaders(OutputTransform):
            def transform_first_chunk(self, status: int, headers: Any, chunk: bytes, finishing: bool) -> Any:
                for name, value in HEADERS.items():
                    headers[name] = value
                return status, headers, chunk

        owner = self
        try:
            sockets, self.port = bind_sockets(ADDRESS, port)
        except OSError as error:
            raise UsageError(f"--port {port}: cannot be used ({error.strerror}): give another, or none") from None
        self.token = secrets.token_urlsafe(24)
        for name in ("bokeh", "tornado"):
            logging.getLogger(name).setLevel(logging.ERROR)
        hosts = [f"{ADDRESS}:{self.port}", f"localhost:{self.port}"]
        # fmt: off
        app = Guarded(
            {"/": Application(FunctionHandler(build))}, prefix=self.token, extra_websocket_origins=hosts,
            websocket_max_message_size_bytes=LARGEST_MESSAGE, unused_session_lifetime_milliseconds=UNUSED_MS,
            use_index=False, redirect_root=False, include_headers=[], include_cookies=[],
        )
        # fmt: on
        app.add_transform(WithHeaders)
        http = HTTPServer(app)
        http.add_sockets(sockets)
        self.loop = IOLoop.current()
        self._server = BaseServer(self.loop, app, http)

    @property
    def address(self) -> str:
        """Where the page is, with its token."""
        return f"http://{ADDRESS}:{self.port}/{self.token}/"

    def run(self, browser: bool = True) -> None:
        """Serve until :meth:`stop` is called or an interrupt arrives; open the page in a ``browser`` if wanted."""
        self._server.start()
        if browser:
            webbrowser.open(self.address)
        try:
            self.loop.start()
        finally:
            self._server.stop(wait=False)

    def stop(self) -> None:
        """End :meth:`run`; may be called from any thread."""
        self.loop.add_callback(self.loop.stop)
