"""The command line, one module per group of commands, each with a typer app that `engine.__main__` joins.

Commands import what they need when they run, so that listing data sets does not wait for PyTorch.
"""
