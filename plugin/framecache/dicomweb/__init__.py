"""PS3.18 and HTTP as values: requests and answers, without I/O."""
