"""What is under test: adapters from a model, a function or an endpoint to one table of predictions."""
