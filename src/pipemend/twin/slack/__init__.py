"""Slack: channels, messages and threads, with the limits that Slack keeps."""
