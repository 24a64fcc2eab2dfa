"""Work that several nodes and workers share through PostgreSQL. Imported only where `Cluster` is set: an extra."""
