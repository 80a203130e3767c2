"""Numbers and sentences as people read them, and text from outside shown literally."""
