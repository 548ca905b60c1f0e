"""Tests of the page of hsi label."""
