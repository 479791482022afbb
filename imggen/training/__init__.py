"""The loop, what a run consists of, and what watches it."""
