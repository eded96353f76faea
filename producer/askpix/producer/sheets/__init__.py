"""Attribute sheets: what is asked of each image of a catalogue, as a person writes it down."""
