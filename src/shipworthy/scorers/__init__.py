"""Judging one answer: refusal, leaks, grounding, rubrics, tool calls."""
