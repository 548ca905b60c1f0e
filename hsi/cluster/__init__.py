"""Work on many processes or machines through Dask: maps block by block, runs, and the fitting of reducers."""
