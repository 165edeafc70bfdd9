"""Looks at an installation with the settings and clients that the server would use. Starts nothing."""

from pipemend.doctor.examination import examine

__all__ = ["examine"]
