"""Readers of data products, one module a product; each registers itself."""
