"""From whatever holds the rows to one table, and from that to sufficient statistics."""
