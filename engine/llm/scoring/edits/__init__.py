"""What each named edit of the dual model does to a prompt: one file per edit.

An edit is a row of `db.choices.EDITS` and a file here, named by the row, that defines

    apply(draw, amount) -> Draw

`draw` (`engine.llm.scoring.draw`) holds the task as earlier edits left it, and what chance is drawn from;
`amount` is 0 where the row takes none. Draw 0 is without what chance does, and draw 3 is the same however
many are made. Edits act in the order of the table. Their arithmetic is `engine.lrgd.perturb`.
"""
