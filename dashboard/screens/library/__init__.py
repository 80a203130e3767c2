"""Library: data sets, models, jobs and storage."""
