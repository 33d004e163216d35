"""Who performs the effects of a strategy: workers, the model door, events, the stages of a run."""
