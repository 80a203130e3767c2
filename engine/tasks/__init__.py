"""One file per job a person can start about one user or one model, from a request to its JSON result."""
