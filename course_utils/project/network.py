"""Run a command without the network, to prove that the course does not need it.

Loopback stays open: notebook kernels talk over it.
"""

import shutil
import subprocess

# Port 9 of loopback is closed, so that a download fails at once, and on every system.
DEAD_PROXY = "http://127.0.0.1:9"
# Only loopback exists in a network namespace of its own; there also sockets reach nothing else.
NAMESPACE = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def cut_variables() -> dict[str, str]:
    """Return environment variables with which downloads fail and models are not looked up."""
    proxies = dict.fromkeys(["http_proxy", "https_proxy", "all_proxy"], DEAD_PROXY)
    proxies["no_proxy"] = "localhost,127.0.0.1,::1"
    capitals = {name.upper(): value for name, value in proxies.items()}
    return {**proxies, **capitals, "HF_HUB_OFFLINE": "1"}


def without_network(command: list[str]) -> list[str]:
    """Return a command line that cannot reach another machine, where the system allows that."""
    if shutil.which("unshare") is None:  # not Linux
        return command
    probe = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False)
    return [*NAMESPACE, *command] if probe.returncode == 0 else command
