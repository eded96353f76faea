"""Answers that are kept across jobs: what an engine has said of an image is not asked of it again."""
