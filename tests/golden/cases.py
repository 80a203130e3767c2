"""The golden cases: what is asked, as lines of the command line.

The lines of a case run in one fresh copy of the workspace, so that a case may also show what is served from
the store. After a change here: `python -m tests.golden.record`, and read what the files' diff says.
"""

# A shopper of the simulated store with the model that ships, and one of the toy shop with tiny models.
_EMBEDDED = "-d simulated -u s0100 -c 8"
_TOY = "-d toy -u u03 -c 5"
_LLAMA = f"{_TOY} -m llama"
# One whose optimizer finds demonstrations to apply, with weights of their own; most random models have none.
_LEARNS = "-d toy -u u06 -m phi3"
_SCORINGS = ("auto", "sum", "mean", "calibrated", "yes_no", "listwise")
_ESTIMATORS = ("auto", "exact", "kriging", "aumann")
_FAMILIES = ("llama", "qwen2", "qwen3", "mistral", "phi3", "gpt_neox", "gpt2", "opt")

CASES: dict[str, tuple[str, ...]] = {
    # What a workspace holds.
    "workspace": ("setup", "datasets", "users -d toy --limit 4", "models"),
    "importing": (
        "import {folder}/toy.csv --name again --preview",
        "import {folder}/toy.csv --name again --min-rating 2 --k-core 2",
    ),
    # Ranking with the model that ships.
    "rank-served-again": (f"rank {_EMBEDDED}", f"rank {_EMBEDDED} --seed 0", "runs"),
    "rank-mean-weighted": (f"rank {_EMBEDDED} --scoring mean --demos neighbours:3 --weights 1,0,2.5",),
    "rank-calibrated-popular": (
        f"rank {_EMBEDDED} --scoring calibrated --demos random:3 --candidate-kind popular --seed 3",
    ),
    "rank-yes-no-hard": (f"rank {_EMBEDDED} --scoring yes_no --demos bm25:3 --candidate-kind hard",),
    "rank-listwise-probe": (f"rank {_EMBEDDED} --scoring listwise --demos proximal:3 --target probe",),
    "rank-embedded-embedding": (f"rank {_EMBEDDED} --demos embedding:3 --history-by semantic --history 4",),
    # Ranking with tiny models.
    "rank-scorings": tuple(f"rank {_LLAMA} --demos neighbours:2 --scoring {way}" for way in _SCORINGS),
    "rank-history": tuple(
        f"rank {_LLAMA} --demos recent:2 --history 3 --history-by {way}"
        for way in ("recent", "semantic", "clusters")
    ),
    "rank-strategies-of-data": tuple(
        f"rank {_LLAMA} --demos {demos}"
        for demos in ("none", "random:2", "recent:3", "bm25:2", "proximal:2", "global:2", "aggregated:2")
    ),
    "rank-strategies-of-states": tuple(
        f"rank {_TOY} -m qwen2 --demos {demos}"
        for demos in ("embedding:2", "mmr:2", "dpp:2", "votek:2", "neighbours:60t")
    ),
    "rank-strategies-optimized": (
        f"rank {_LEARNS} -c 5 --demos greedy:2",
        f"rank {_LEARNS} -c 5 --demos twostage:2",
    ),
    "rank-prompts-hint-prescore-forward": (
        f"rank {_LLAMA} --demos neighbours:2 --prompts 2",
        f"rank {_LLAMA} --demos neighbours:2 --hint itemknn",
        f"rank {_LLAMA} --demos neighbours:2 --prescore gpt_neox",
        f"rank {_LLAMA} --demos neighbours:2 --forward 3",
    ),
    "rank-edits": tuple(
        f"rank {_LLAMA} --demos neighbours:3 --perturb {edits}"
        for edits in (
            "weights:0.5",
            "dropout:0.5",
            "values:0.3",
            "typos:0.3",
            "truncation:0.5",
            "ridge:0.2",
            "negatives:0.5",
            "order",
            "order+ridge:0.1+negatives:0.2+typos:0.2+weights:0.2",
        )
    ),
    "rank-families": tuple(f"rank {_TOY} -m {family} --demos neighbours:4" for family in _FAMILIES),
    # Effects.
    "effects-embedded": (
        f"effects {_EMBEDDED} --leave-one-out",
        f"effects {_EMBEDDED} --demos neighbours:3 --mode total --measure loss",
    ),
    "effects-embedded-integrals": (
        f"effects {_EMBEDDED} --demos neighbours:3 --estimator aumann --weights 1,0.5,2",
    ),
    "effects-estimators": tuple(
        f"effects {_LLAMA} --demos neighbours:6 --mode direct --estimator {estimator}"
        for estimator in _ESTIMATORS
    ),
    "effects-modes": tuple(
        f"effects {_TOY} -m gpt_neox --demos neighbours:6 --mode {mode} --estimator kriging --leave-one-out"
        for mode in ("direct", "total", "reprompt")
    ),
    "effects-scorings": tuple(
        f"effects {_TOY} -m qwen3 --demos neighbours:3 --mode direct --scoring {way}" for way in _SCORINGS[1:]
    ),
    "effects-under-edits": (
        f"effects {_LLAMA} --demos neighbours:3 --perturb ridge:0.2+negatives:0.5 --leave-one-out",
        f"effects {_LLAMA} --demos neighbours:3 --forward 2 --hint popularity",
    ),
    "effects-families": tuple(
        f"effects {_TOY} -m {family} --demos neighbours:3 --mode direct --leave-one-out"
        for family in _FAMILIES
    ),
    "spread-and-forward": (
        f"spread {_LLAMA} --demos neighbours:2 --draws 3",
        f"forward {_LLAMA} --demos neighbours:2 --iterations 3",
    ),
    "verify": ("verify", *(f"verify -m {family}" for family in _FAMILIES)),
    # The whole catalogue.
    "recommend-embedded": ("recommend -u s0100 --demos neighbours:2 --top 5 --zero-shot",),
    "recommend-scorings": tuple(
        f"recommend {_LLAMA} --demos neighbours:2 --top 5 --scoring {scoring} --zero-shot {more}".strip()
        for scoring, more in (
            ("sum", "--hint itemknn"),
            ("mean", "--weights 0.5,2"),
            ("calibrated", "--perturb ridge:0.3"),
        )
    ),
    "recommend-free": (
        "recommend -u s0100 -c 6 --demos neighbours:2 --top 4 --free",
        f"recommend {_LLAMA} --demos neighbours:2 --top 3 --free",
    ),
    # Choosing demonstrations.
    "pool": (
        f"pool {_LLAMA} --size 3 --sources neighbours,proximal,random,global,aggregated",
        f"pool {_LLAMA} --size 3 --prescore opt",
    ),
    "optimize": (
        f"optimize {_LEARNS} --size 2 --pool 4 --probes 4",
        "optimize -d toy -u u03 -m llama --size 3 --pool 4 --probes 4 --beam 2 --stages 1 --calibrate 4"
        " --perturb typos:0.1+order --scoring mean --no-guard",
        "optimize -d simulated -u s0100 --size 2 --pool 2 --probes 4 --calibrate 2 --draws 1 --tokens 200",
    ),
    "lasting": (f"lasting {_LEARNS} --size 2 --probes 4",),
    # Many users.
    "preferences": ("preferences -d toy -m llama --users 4 --size 2 --out {folder}/pairs.jsonl",),
    "study-strategies": (
        "study strategies -d simulated --users 3 --only none,random,neighbours,bm25 --k 2",
        "study strategies -d toy -m llama --users 2 --only none,proximal,mmr,greedy --k 2",
    ),
    "study-faithfulness": ("study faithfulness -d toy -m llama --users 3 --k 3",),
    "baselines": (
        *(f"baseline --kind {kind} --users 20" for kind in ("itemknn", "popularity", "bm25")),
        "baseline --kind itemknn -d toy --users 8 --target probe --candidate-kind popular -c 6",
    ),
}
