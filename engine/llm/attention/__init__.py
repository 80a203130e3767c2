"""The one attention function of the engine: sees q, k and v, and gates demonstrations exactly."""
