"""The engine process: the worker, and which handler does which kind of job."""
