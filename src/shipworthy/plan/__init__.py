"""The plan: policy as code."""
