"""The server of the page: one user of this computer, who has the address."""

import http.client
import threading

import pytest

from hsi.errors import UsageError

pytest.importorskip("bokeh")
from hsi.labelling.server import PageServer


@pytest.fixture
def server():
    """A server that serves an empty page in a thread of its own."""
    import asyncio

    started, made = threading.Event(), []

    def serve():
        asyncio.set_event_loop(asyncio.new_event_loop())
        made.append(PageServer(lambda document: None))
        made[0].loop.add_callback(started.set)
        made[0].run(browser=False)

    thread = threading.Thread(target=serve)
    thread.start()
    assert started.wait(20)
    yield made[0]
    made[0].stop()
    thread.join(20)
    assert not thread.is_alive()


def answer(server, path=None, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, f"/{server.token}/" if path is None else path, headers=headers)
    reply = connection.getresponse()
    text = reply.read().decode(errors="replace")
    connection.close()
    return reply, text


WEBSOCKET = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==", "Sec-WebSocket-Protocol": "bokeh, x"}  # fmt: skip


def test_only_the_address_with_its_token_is_answered(server):
    reply, text = answer(server)
    assert reply.status == 200
    assert "Bokeh" in text
    assert "https://" not in text  # nothing is taken from the network
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
    for path in ("/", "/wrong/", f"/{server.token[:-1]}/", "/static/js/bokeh.min.js", f"/x/../{server.token}/ws"):
        reply, text = answer(server, path)
        assert (reply.status, "token in the address is wrong" in text) == (403, True), path


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["", "ws"])
def test_other_hosts_and_other_sites_are_refused(server, headers, path):
    more = WEBSOCKET if path else {}
    reply, _ = answer(server, f"/{server.token}/{path}", **more, **headers)
    assert reply.status == 403


def test_it_listens_on_this_computer_only_and_a_port_in_use_is_named(server):
    assert server.address.startswith("http://127.0.0.1:")
    with pytest.raises(UsageError, match=f"--port {server.port}"):
        PageServer(lambda document: None, server.port)
