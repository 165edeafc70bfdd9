"""Jira Cloud: one issue a ticket, commented as the story goes on, and closed with the ticket."""

from pipemend.notifiers.jira.notifier import Jira, build

__all__ = ["Jira", "build"]
