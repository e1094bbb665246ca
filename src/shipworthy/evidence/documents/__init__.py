"""Documents of an evidence package: what a machine knows is filled in, what only people can say is asked for."""
