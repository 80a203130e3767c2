"""Compare: two stored runs side by side."""
