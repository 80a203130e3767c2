"""What can be asked about one stored run's demonstrations: one file per row of `db.choices.EXPLANATIONS`.

Each defines `explained(asked, report)`, which measures and returns plain JSON with `said`, one sentence made
from the numbers, and `tables(result)`, what the command line prints: titles of columns, and rows.
"""
