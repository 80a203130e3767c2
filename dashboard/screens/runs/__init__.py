"""Runs: all stored runs as a table that is searched, filtered, sorted, marked and deleted from."""
