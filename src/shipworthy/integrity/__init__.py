"""What makes evidence hold whoever keeps it: hashes, trees, chains and signatures, with no database and no network."""
