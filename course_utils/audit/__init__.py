"""An audit to run on any torch model before you trust what it says."""

from course_utils.audit.audit import CHECKS, audit_transfer
from course_utils.audit.report import AuditError, Finding, Report

__all__ = ["CHECKS", "AuditError", "Finding", "Report", "audit_transfer"]
