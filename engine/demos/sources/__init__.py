"""Where demonstrations come from: one file per source of history windows."""
