"""Logic Apps: playbooks that start reruns, and the many ways in which they answer."""
