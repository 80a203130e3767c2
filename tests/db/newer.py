"""Tables that came after the index of runs: a test makes an old store without them. Dependent ones first."""

NEWER = (
    *("run_index", "demonstration_set_versions", "demonstration_sets"),
    *("judgements", "judges", "judging_pairs", "judgings", "policies"),
    *("outside_systems", "experiment_cells"),
)
