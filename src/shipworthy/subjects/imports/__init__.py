"""Logs of other evaluation tools, read as rows of a recording.

Each reader gives rows under the names that `subjects.recording` recognises. What the tool itself scored comes as tags
`score.<name>`, which the scorer `recorded` reads; what the tool says about the whole log comes as claims, which are
recomputed from the rows and never trusted.
"""
