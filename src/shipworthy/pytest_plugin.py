"""A requirement as a test."""
