"""Tests of course_utils.project.network. No test sends a packet to another machine."""

import os
import socket
import subprocess
import sys
import time

import pytest

from course_utils.project import network
from course_utils.project.network import NAMESPACE, cut_variables, without_network

HAS_NAMESPACES = without_network(["true"]) != ["true"]

# Downloads from loopback, from a name that exists nowhere (RFC 6761) and from an address kept for
# documentation (RFC 5737), and prints how each ends.
DOWNLOADS = """
import http.server, threading, urllib.request
with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for host in (f"localhost:{server.server_port}", "name.invalid", "192.0.2.1"):
        try:
            print(urllib.request.urlopen(f"http://{host}/", timeout=60).status)
        except OSError as error:
            print(type(error.reason).__name__)
    server.shutdown()
"""
SOCKETS = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
for address in (("192.0.2.1", 80), ("name.invalid", 80)):
    try:
        socket.create_connection(address, timeout=60)
    except OSError as error:
        print(type(error).__name__)
"""


def lines_of(command, **variables):
    result = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    return result.stdout.split()


class TestCutVariables:
    def test_downloads_are_refused_at_once_and_loopback_answers(self, tmp_path):
        start = time.monotonic()
        command = [sys.executable, "-c", DOWNLOADS]
        found = lines_of(command, **cut_variables())
        assert found == ["200", "ConnectionRefusedError", "ConnectionRefusedError"]
        assert time.monotonic() - start < 20  # seconds; a timeout would take 60

    def test_port_of_the_proxy_is_closed(self):
        host, port = network.DEAD_PROXY.removeprefix("http://").split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=60)

    def test_both_spellings_are_set_and_models_are_not_looked_up(self):
        variables = cut_variables()
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            assert variables[name] == variables[name.upper()]
        assert variables["HF_HUB_OFFLINE"] == "1"


class TestWithoutNetwork:
    @pytest.mark.skipif(not HAS_NAMESPACES, reason="this system allows no network namespaces")
    def test_sockets_reach_loopback_and_nothing_else(self):
        found = lines_of(without_network([sys.executable, "-c", SOCKETS]))
        assert found == ["OSError", "gaierror"]

    @pytest.mark.skipif(not HAS_NAMESPACES, reason="this system allows no network namespaces")
    def test_exit_code_and_arguments_are_passed_on(self):
        code = "import sys; sys.exit(len(sys.argv[1]))"
        command = without_network([sys.executable, "-c", code, "$a b'\""])
        assert command[: len(NAMESPACE)] == NAMESPACE
        assert subprocess.run(command, check=False).returncode == len("$a b'\"")

    def test_command_stays_where_namespaces_are_forbidden(self, monkeypatch):
        monkeypatch.setattr(network.shutil, "which", lambda name: "unshare")
        monkeypatch.setattr(network, "NAMESPACE", [sys.executable, "-c", "raise SystemExit(1)"])
        assert without_network(["pytest", "tests"]) == ["pytest", "tests"]

    def test_command_stays_where_there_is_no_unshare(self, monkeypatch):
        monkeypatch.setattr(network.shutil, "which", lambda name: None)
        assert without_network(["pytest", "tests"]) == ["pytest", "tests"]
