"""Store: data sets, demonstrations, runs, jobs and models in one SQL database.

Imports neither engine nor dashboard.
"""
