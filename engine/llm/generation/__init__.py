"""Writing titles: beam search over a catalogue's prefix tree, and free text."""
