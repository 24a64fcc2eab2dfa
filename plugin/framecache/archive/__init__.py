"""What Orthanc holds: which instance a path means, and its stored frames."""
