"""Fetching what is published elsewhere: models from the package index, data sets from their publishers."""
