"""SASRec (arXiv 1808.09781), trained with one of two losses: the two kinds differ in nothing else."""

from engine.baselines.sasrec_network import Sasrec, rebuilt
from engine.baselines.sasrec_training import Recipe, train
from engine.baselines.scorer import FitJob, Learns

__all__ = ["LEARNS", "fit", "rebuilt"]

LEARNS: Learns = "once"
KIND = "sasrec"
"""What its file says it is."""

LOSSES = {"sasrec": "full", "sasrec-scaled": "scaled"}


def fit(job: FitJob) -> Sasrec:
    """Train on the interactions of the mask, with the loss of the job's kind. Raises BadInput, Conflict."""
    scorer = train(
        job.columns,
        job.mask,
        Recipe(loss=LOSSES[job.kind], seed=job.seed),
        progress=job.progress,
        checkpoint=job.checkpoint,
        minutes=job.minutes,
    )
    scorer.report["until"] = job.until
    return scorer
