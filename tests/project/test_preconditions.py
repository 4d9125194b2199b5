"""Tests of course_utils.preconditions."""

import ast
from collections import namedtuple
from pathlib import Path

import pytest

import course_utils
from course_utils.project import installation as preconditions
from course_utils.project.installation import (
    GIGABYTE,
    SetupError,
    check_disk,
    check_version,
    explain_failure,
    folder_size,
)

PACKAGE = Path(course_utils.__file__).parent


class TestSyntax:
    @pytest.mark.parametrize("name", ["__init__", "project", "installation", "preconditions"])
    def test_old_python_can_read_what_names_the_problem(self, name):
        source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
        tree = ast.parse(source, feature_version=(3, 6))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.NamedExpr)]
        annotations = [n.annotation for n in ast.walk(tree) if isinstance(n, ast.arg)]
        annotations += [n.returns for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        # list[str] and X | None are evaluated, and fail, before Python 3.9 and 3.10.
        assert all(isinstance(node, (ast.Name, ast.Constant, type(None))) for node in annotations)


class TestCheckVersion:
    @pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 9)])
    def test_supported_version_passes(self, version):
        check_version(version)

    @pytest.mark.parametrize("version", [(3, 10, 13), (3, 14, 0), (2, 7, 18)])
    def test_other_version_gives_one_line_with_the_cure(self, version):
        found = ".".join(map(str, version))
        with pytest.raises(SetupError, match=f"^Python {found} found, but .* install one") as error:
            check_version(version)
        assert "\n" not in str(error.value)


class TestCheckDisk:
    @pytest.mark.parametrize(("free", "fails"), [(8 * GIGABYTE, False), (8 * GIGABYTE - 1, True)])
    def test_limit_is_exact(self, free, fails, tmp_path, monkeypatch):
        usage = namedtuple("Usage", "free")(free)
        monkeypatch.setattr(preconditions.shutil, "disk_usage", lambda folder: usage)
        if not fails:
            return check_disk(tmp_path, 8 * GIGABYTE)
        with pytest.raises(SetupError, match=r"^No disk space: 8.0 GB are free.*needs 8.0 GB"):
            check_disk(tmp_path, 8 * GIGABYTE)


class TestExplainFailure:
    @pytest.mark.parametrize(
        "text",
        [
            b"WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'",
            b"ERROR: Temporary failure in name resolution",
            b"ERROR: Read timed out.",
        ],
    )
    def test_missing_network_is_recognised(self, text):
        assert explain_failure(text).startswith("no network")

    def test_other_failure_is_quoted(self):
        text = b"ERROR: x\nERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n\n"
        assert explain_failure(text) == "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"

    def test_silent_failure_is_said_to_be_silent(self):
        assert explain_failure(None) == "pip wrote nothing; run again"


class TestFolderSize:
    def test_bytes_of_all_folders_are_added(self, tmp_path):
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "x").write_bytes(bytes(3))
        (tmp_path / "a" / "b" / "y").write_bytes(bytes(4))
        assert folder_size(tmp_path) == 7

    def test_folder_that_does_not_exist_is_empty(self, tmp_path):
        assert folder_size(tmp_path / "missing") == 0
