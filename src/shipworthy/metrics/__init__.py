"""What can be measured: each metric says which sufficient statistics it needs."""
