"""Tests with Spark and Dask, for `make test-engines`."""
