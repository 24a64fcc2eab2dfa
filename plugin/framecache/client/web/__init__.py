"""dicomweb-client's own client, with retries that do not come all at once, and frames by several requests at once."""
