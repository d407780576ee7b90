"""The auditor: whether buckets and catalogue agree, and mending what is safe to mend."""

from panoptes.network.audit.auditing import audit

__all__ = ["audit"]
