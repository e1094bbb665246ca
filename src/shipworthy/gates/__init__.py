"""From estimates to verdicts, and from verdicts to a decision."""
