"""Engine: data, prompts, models, effects, jobs. Reads and writes the store; never imports the dashboard."""
