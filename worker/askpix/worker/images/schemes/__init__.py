"""Kinds of image references: a module for each, called as its scheme, with a READER."""
