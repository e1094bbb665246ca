"""How a number, an interval, a slice and a verdict look, once for all faces. Imports nothing heavy."""
