"""A fleet of many worker processes on one machine, with a stand-in for the model: run `make bench-fleet`."""
