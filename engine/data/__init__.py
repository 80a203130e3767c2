"""Data: importers, splits, candidate lists, the simulated store; all that fills or cuts a data set."""
