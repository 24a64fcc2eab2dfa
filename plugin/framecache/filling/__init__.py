"""What is done without being asked: sifting, cutting out, keeping and cleaning up."""
