"""Tests of course_utils.network. No test sends a packet to another machine."""

import os
import socket
import subprocess
import sys

import pytest

from course_utils.project import network

# Tries loopback, then a name that exists nowhere (RFC 6761) and an address kept for
# documentation (RFC 5737). It stops before these if the network is not cut.
PROBE = """
import os, socket, sys
from course_utils.project.network import is_cut
assert os.environ["COURSE_NETWORK"] == "cut"
assert is_cut(), "the network is not cut"
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
socket.getaddrinfo("localhost", 80)
for call in (
    lambda: socket.create_connection(("name.invalid", 80), timeout=5),
    lambda: socket.create_connection(("192.0.2.1", 80), timeout=5),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("192.0.2.1", 9)),
):
    try:
        call()
    except OSError as error:
        print(type(error).__name__)
    else:
        sys.exit("another machine was reached")
"""


def run_cut(*arguments, **variables):
    command = [sys.executable, "-m", "course_utils.network", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


class TestCut:
    @pytest.mark.skipif(os.environ.get("COURSE_NETWORK") != "cut", reason="the network is not cut")
    def test_network_is_really_cut_when_the_runner_says_so(self):
        assert network.is_cut()
        with pytest.raises(OSError, match="cut|resol|address|unreachable|known"):
            socket.create_connection(("name.invalid", 80), timeout=5)


class TestIsCut:
    def test_routes_to_other_machines_are_seen(self, monkeypatch):
        monkeypatch.setattr(network.sys, "platform", "linux")
        monkeypatch.setattr(network.socket, "getaddrinfo", lambda *_: [])  # without a guard
        files = {"route": "Iface Destination\neth0 00000000\n", "ipv6_route": "0 0 lo\n"}
        monkeypatch.setattr(network.Path, "read_text", lambda self, **_: files[self.name])
        monkeypatch.setattr(network.Path, "exists", lambda self: True)
        assert not network.is_cut()
        files["route"] = "Iface Destination\n"
        assert network.is_cut()
        files["ipv6_route"] = "0 0 lo\n0 0 eth0\n"
        assert not network.is_cut()

    def test_system_without_namespaces_and_guard_is_not_cut(self, monkeypatch):
        monkeypatch.setattr(network.sys, "platform", "win32")
        monkeypatch.setattr(network.socket, "getaddrinfo", lambda *_: [])
        assert not network.is_cut()


class TestMain:
    def test_guard_leaves_loopback_and_blocks_the_rest(self):
        result = run_cut("--guard", sys.executable, "-c", PROBE)
        assert result.returncode == 0, result.stderr
        assert result.stdout.split() == ["NetworkIsCutError"] * 3

    def test_guard_reaches_the_processes_below(self):
        code = (
            f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {PROBE!r}]))"
        )
        result = run_cut("--guard", sys.executable, "-c", code)
        assert result.returncode == 0, result.stderr
        assert result.stdout.split() == ["NetworkIsCutError"] * 3

    def test_best_way_of_this_machine_leaves_loopback_and_blocks_the_rest(self):
        result = run_cut(sys.executable, "-c", PROBE)
        assert result.returncode == 0, result.stderr
        assert len(result.stdout.split()) == 3

    def test_guard_takes_over_where_a_namespace_is_forbidden(self, monkeypatch):
        calls = []
        monkeypatch.setattr(network, "_namespace_is_allowed", lambda: False)
        monkeypatch.setattr(
            network.subprocess, "call", lambda command, env: calls.append((command, env)) or 3
        )
        assert network.main(["pytest", "tests"]) == 3
        ((command, variables),) = calls
        assert command == ["pytest", "tests"]
        assert variables["COURSE_NETWORK"] == "cut"
        assert variables["PYTHONPATH"] == str(network.GUARD_FOLDER)
        assert (network.GUARD_FOLDER / "sitecustomize.py").is_file()

    @pytest.mark.parametrize("flag", [(), ("--guard",)])
    def test_exit_code_of_the_command_is_passed_on(self, flag):
        assert run_cut(*flag, sys.executable, "-c", "import sys; sys.exit(7)").returncode == 7

    def test_missing_command_is_explained(self, capsys):
        assert network.main(["--guard"]) == 2
        assert "Usage" in capsys.readouterr().err


class TestCheckHost:
    @pytest.mark.parametrize(
        "host",
        [None, "", "localhost", "127.0.0.1", "127.8.9.1", "::1", "::1%lo", "0.0.0.0", b"::1"],
    )
    def test_loopback_passes(self, host):
        network._check_host(host)

    @pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "name.invalid", b"name.invalid"])
    def test_other_machine_is_named_in_the_error(self, host):
        name = host.decode() if isinstance(host, bytes) else host
        with pytest.raises(network.NetworkIsCutError, match=f"network is cut, but '{name}'"):
            network._check_host(host)
