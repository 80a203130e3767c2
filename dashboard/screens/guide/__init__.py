"""The Guide page: the documentation, read inside the dashboard."""
