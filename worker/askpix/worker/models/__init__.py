"""Model folders: what they hold, and how checkpoints are converted to them."""
