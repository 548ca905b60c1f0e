"""Serves the files of a folder by ranges of bytes, as object storage does: ``python range_server.py FOLDER``.

``/to/ADDRESS`` and ``/to/NAME`` redirect, and what is in a folder ``signed`` needs ``?signature=right``.

A process of its own, because GDAL lets no other Python thread run while it waits for an answer.
"""

import re
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


class Ranges(SimpleHTTPRequestHandler):
    """Files by ranges of bytes, as object storage gives them."""

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        path = Path(self.translate_path(self.path))
        if self.path.startswith("/to/"):
            self.send_response(302)
            target = unquote(self.path.removeprefix("/to/"))
            self.send_header("Location", target if ":" in target else f"/{target}")
            self.end_headers()
            return
        if path.parent.name == "signed" and not self.path.endswith("?signature=right"):
            self.send_error(403)
            return
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        start, end = (int(asked[1]), min(int(asked[2]), len(content) - 1)) if asked else (0, len(content) - 1)
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end + 1 - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        self.end_headers()
        if body:
            self.wfile.write(content[start : end + 1])

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: Ranges(*given, directory=sys.argv[1]))
    print(server.server_port, flush=True)
    server.serve_forever()
