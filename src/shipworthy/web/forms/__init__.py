"""What can be written on the pages: one act for each command that changes the record."""
