"""Engines: one compiled model on one device inside a worker process."""
