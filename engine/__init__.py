"""Engine: data, prompts, models, effects, jobs. Reads and writes the store; never imports the dashboard."""

import os

# Must be set before PyTorch loads OpenMP: its threads then sleep while they wait for each other instead of
# spinning, which on a busy machine with few cores is several times faster for small models.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
