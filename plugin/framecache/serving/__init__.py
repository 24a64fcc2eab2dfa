"""The retrieve transactions: a request's values in, an answer's values out."""
