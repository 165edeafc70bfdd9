"""Slack: one message a ticket, edited as the story goes on, and a thread below it."""

from pipemend.notifiers.slack.notifier import Slack, build

__all__ = ["Slack", "build"]
