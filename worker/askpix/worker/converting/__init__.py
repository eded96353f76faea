"""How model folders are made of checkpoints, and of others, and what comes of that: far from a running worker."""
