"""Fewer, better-behaved bands: fitted on a stream of pixels, applied block by block. One file here adds a reducer."""

from hsi.preprocessing.reducers.reducer import (
    REDUCERS,
    JoinedReducer,
    Reducer,
    find_reducer,
    fit_reducer,
    reduce_cube,
    reduce_pixels,
    reduce_scene,
    restore_reducer,
    valid_blocks,
)

__all__ = [
    "REDUCERS",
    "JoinedReducer",
    "Reducer",
    "find_reducer",
    "fit_reducer",
    "reduce_cube",
    "reduce_pixels",
    "reduce_scene",
    "restore_reducer",
    "valid_blocks",
]
