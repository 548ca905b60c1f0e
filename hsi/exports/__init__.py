"""A saved model as files for other programs, and for other people."""
