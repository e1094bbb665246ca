"""The verbs: check, evaluate, compare, reproduce, size, draft. Each reads as a list of steps."""
