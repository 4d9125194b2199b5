"""A pytest plugin: no test reads or changes what a learner has done on this machine."""

import os
import tempfile

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main():
    """Give the whole run, with the processes that it starts, an empty data folder."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setitem(os.environ, "COURSE_DATA_DIR", folder)
        return (yield)
