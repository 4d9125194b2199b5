"""Run a command without the network, to prove that the course does not need it.

``python -m course_utils.network COMMAND ...`` gives the command a network namespace with only
the loopback device, where Linux allows that. Elsewhere, or with ``--guard``, Python's sockets
are blocked in the command and in all Python processes below it (notebook kernels, workers).
Loopback stays open: notebook kernels talk over it. Only the standard library is used here.
"""

import ctypes
import ipaddress
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

# Folder with a sitecustomize.py, which Python runs at its start if the folder is on PYTHONPATH.
GUARD_FOLDER = Path(__file__).resolve().parents[2] / ".ci" / "offline"


class NetworkIsCutError(OSError):
    """Something tried to reach another machine while the network is cut."""


def block_sockets() -> None:
    """Make this process raise `NetworkIsCutError` for each address that is not loopback.

    Connections, datagrams and the look-up of names are blocked. Code that opens sockets without
    Python's socket module is not: a namespace holds that back too, this guard does not.
    """
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, _guard_socket(getattr(socket.socket, name)))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        setattr(socket, name, _guard_lookup(getattr(socket, name)))


def is_cut() -> bool:
    """Say whether this process cannot reach another machine; no packet is sent to find out.

    Returns
    -------
    bool
        True if the sockets are blocked, or if no route leaves this machine (Linux).
    """
    if hasattr(socket.getaddrinfo, "network_is_cut"):
        return True
    if sys.platform != "linux":
        return False
    # The table of IPv4 leaves loopback out; the last column of the IPv6 table is the device.
    routes = Path("/proc/self/net/route").read_text(encoding="utf-8").splitlines()[1:]
    table = Path("/proc/self/net/ipv6_route")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    return not routes and all(line.split()[-1] == "lo" for line in lines)


def main(arguments: list[str]) -> int:
    """Run a command with the network cut and return its exit code.

    Parameters
    ----------
    arguments : list of str
        The command, after ``--guard`` if sockets shall be blocked even where a namespace is
        allowed.
    """
    wants_guard = arguments[:1] == ["--guard"]
    command = arguments[wants_guard:]
    if not command:
        print("Usage: python -m course_utils.network [--guard] COMMAND ...", file=sys.stderr)
        return 2
    environment = {**os.environ, "COURSE_NETWORK": "cut"}
    if not wants_guard and _namespace_is_allowed():
        _enter_namespace()
    else:
        environment["PYTHONPATH"] = str(GUARD_FOLDER)
    return subprocess.call(command, env=environment)


def _namespace_is_allowed():
    """Try in a child: a namespace that is created but not usable could not be left again."""
    if sys.platform != "linux":
        return False
    child = os.fork()
    if child == 0:
        try:
            _enter_namespace()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _enter_namespace():
    """Move this process into new user and network namespaces in which only loopback is up."""
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)  # os.unshare exists only from Python 3.12 on
    if libc.unshare(0x10000000 | 0x40000000) != 0:  # CLONE_NEWUSER | CLONE_NEWNET, sched.h
        raise OSError(ctypes.get_errno(), "unshare is not allowed")
    # Keep the own user and group, so that files belong to the same user as outside.
    for file, text in (
        ("setgroups", "deny"),  # the kernel wants this before gid_map, see user_namespaces(7)
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        Path("/proc/self", file).write_text(text, encoding="ascii")
    _switch_loopback_on()


def _switch_loopback_on():
    import fcntl  # exists on Unix only

    request = struct.pack("16sH22x", b"lo", 0)  # struct ifreq of netdevice(7): name, flags
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name, flags = struct.unpack(
            "16sH22x", fcntl.ioctl(control, 0x8913, request)
        )  # SIOCGIFFLAGS
        up = struct.pack("16sH22x", name, flags | 1)  # 1 is IFF_UP
        fcntl.ioctl(control, 0x8914, up)  # SIOCSIFFLAGS


def _guard_socket(original):
    def guarded(self, *arguments):
        address = arguments[-1]  # last for connect(address) and for sendto(data, flags, address)
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _check_host(address[0])
        return original(self, *arguments)

    return guarded


def _guard_lookup(original):
    def guarded(host, *arguments, **keywords):
        _check_host(host)
        return original(host, *arguments, **keywords)

    guarded.network_is_cut = True
    return guarded


def _check_host(host):
    """Let pass what stays on this machine: loopback, and "any address" of a listening socket."""
    host = host.decode() if isinstance(host, bytes) else host
    if host in (None, "", "localhost"):
        return
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
        is_local = address.is_loopback or address.is_unspecified
    except ValueError:  # a name: to look it up would ask another machine
        is_local = False
    if not is_local:
        raise NetworkIsCutError(f"The network is cut, but {host!r} was asked for.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
