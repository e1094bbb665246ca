"""The record: what was promised, measured, decided, waived and signed, by whom, in one database with one audit log."""
