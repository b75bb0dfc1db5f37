import http.client
import logging
import socket

import pytest

from maquette.errors import ConfigError, MissingDependency
from maquette.viewer.server import refusal, require_viser, start_server, stop_server
from viewer_client import ViewerClient

pytest.importorskip("viser")


@pytest.fixture(scope="module")
def server():
    server = start_server(port=18080)
    yield server
    stop_server(server)


def _status(port: int, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers=headers)
    return connection.getresponse().status


@pytest.mark.parametrize("path", ["/../../../../../../../../etc/passwd", "/%2e%2e/%2e%2e/setup.py", "/..\\..\\x"])
def test_no_file_outside_the_pages_folder_is_served(server, path):
    assert _status(server.get_port(), path, {}) == 403


def test_the_page_is_served_and_may_load_nothing_from_elsewhere(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.get_port())
    connection.request("GET", "/")
    response = connection.getresponse()
    assert response.status == 200
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self' ") and "http" not in policy


def test_a_page_of_another_address_cannot_connect(server):
    port = server.get_port()
    ViewerClient(port, origin=f"http://127.0.0.1:{port}").close()
    with pytest.raises(Exception, match="403"):
        ViewerClient(port, origin="http://elsewhere.org")
    assert refusal("/", "http://elsewhere.org", f"127.0.0.1:{port}")
    assert refusal("/", f"http://elsewhere.org:{port}", f"elsewhere.org:{port}")  # a name that was led here


def test_a_taken_port_is_said_and_the_next_is_used(server, caplog):
    caplog.set_level(logging.INFO, "maquette")
    other = start_server(port=server.get_port())
    stop_server(other)
    assert other.get_port() > server.get_port()
    assert f"(port {server.get_port()} is taken)" in caplog.text


def test_the_port_is_free_after_the_server(server):
    other = start_server(port=18190)
    stop_server(other)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", other.get_port()))


def test_a_host_that_is_not_ours_is_one_line():
    with pytest.raises(ConfigError, match=r"--host: nothing can be served at 203\.0\.113\.7"):
        start_server("203.0.113.7")


def test_what_to_install_is_said_where_viser_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r'pip install "maquette\[viewer\]"'):
        require_viser()
