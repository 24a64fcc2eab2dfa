"""What is known of instances: which one a path means, and the source of its stored frames."""
