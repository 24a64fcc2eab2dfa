"""PS3.18 and HTTP as values: what is asked for, and what an answer looks like. No I/O."""
