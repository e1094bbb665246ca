"""Asking subjects all cases: bounded, journalled, resumed."""
