"""The one training loop: batches, optimisers, schedules, checkpoints."""
