"""The audit names each patient by its own check, and is silent on the cured ones."""

import pytest
from patients import PATIENTS

from course_utils.audit import audit_transfer

pytestmark = pytest.mark.slow

each_patient = pytest.mark.parametrize("name", PATIENTS)


def audit(name, *, cured):
    make, check = PATIENTS[name]
    return audit_transfer(**make(cured)), check


@each_patient
def test_mistake_is_named_by_its_own_check(name):
    report, check = audit(name, cured=False)
    assert report[check].verdict in ("wrong", "suspicious"), report
    assert report[check].next_step


@each_patient
def test_cured_patient_is_left_alone(name):
    report, _ = audit(name, cured=True)
    noted = [f for f in report.findings if f.verdict in ("wrong", "suspicious")]
    assert not noted, report
    assert not [f for f in report.findings if "It stopped with" in f.found], report
