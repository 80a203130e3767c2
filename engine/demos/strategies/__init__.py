"""How demonstrations are chosen: one file per strategy."""
