"""Block the network in each Python that starts with this folder on PYTHONPATH.

Python imports a module of this name at its start. See
course_utils/project/network.py; it is loaded by its path, so that also a Python without the course's packages is blocked.
"""

import runpy
from pathlib import Path

_NETWORK = Path(__file__).resolve().parents[2] / "course_utils" / "project" / "network.py"
runpy.run_path(str(_NETWORK), run_name="course_network_guard")["block_sockets"]()
