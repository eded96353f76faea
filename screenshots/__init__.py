"""Pictures of the real thing, for the README and the docs: run `make screenshots`."""
