"""Studies: one setup evaluated over many users."""
