"""The story of a failure, in order: intake, remediation, announcements."""
