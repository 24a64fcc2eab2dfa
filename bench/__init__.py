"""The benchmark that anyone can repeat: `make bench` and `make bench-quick`."""
