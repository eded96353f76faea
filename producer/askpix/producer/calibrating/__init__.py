"""Calibration: what makes a model's confidence the share of answers that are right, found from labelled examples."""
