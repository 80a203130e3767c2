"""What pyproject.toml cannot say: `docs/` travels inside the dashboard, whose Guide page shows it offline."""

from setuptools import find_packages, setup

DOCS = ["dashboard.docs"]

setup(
    packages=find_packages(include=["db", "db.*", "engine", "engine.*", "dashboard", "dashboard.*"]) + DOCS,
    package_dir=dict.fromkeys(DOCS, "docs"),
)
