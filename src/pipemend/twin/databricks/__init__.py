"""Databricks: workspaces whose jobs run by themselves on clusters that live their own life."""
