import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from hsi.core.synthetic import class_spectra, make_scene, synthetic_georeference
from hsi.errors import UsageError


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(4, 40),
    width=st.integers(4, 40),
    bands=st.integers(1, 30),
    classes=st.integers(1, 12),
    field=st.floats(1, 40),
    seed=st.integers(0, 2**32 - 1),
    mixed=st.booleans(),
    share=st.floats(0.05, 1),
)
def test_every_scene_is_as_described(height, width, bands, classes, field, seed, mixed, share):
    cube, labels, wavelengths = make_scene(
        height, width, bands, classes, field, seed, mixed=mixed, labelled_share=share
    )
    assert cube.shape == (height, width, bands)
    assert cube.dtype == np.uint16
    assert cube.min() > 0
    assert labels.shape == (height, width)
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) - {0} == set(range(1, classes + 1))
    assert wavelengths.shape == (bands,)
    assert np.count_nonzero(labels) <= share * height * width + classes


def test_same_seed_same_scene():
    first, again, other = (make_scene(30, 40, 20, seed=seed) for seed in (3, 3, 4))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert np.any(first[0] != other[0])
    assert np.any(first[1] != other[1])


def test_unlabelled_strips_lie_between_the_fields():
    _, labels, _ = make_scene(80, 80, 4, classes=4, labelled_share=0.5)
    assert np.mean(labels > 0) == pytest.approx(0.5, abs=0.01)
    adjacent = (labels[:, 1:] != labels[:, :-1]) & (labels[:, 1:] > 0) & (labels[:, :-1] > 0)
    assert not adjacent.any()


def test_smaller_fields_make_a_coarser_scene():
    def borders(field):
        _, labels, _ = make_scene(60, 60, 4, field=field, labelled_share=1)
        return np.count_nonzero(labels[1:] != labels[:-1])

    assert borders(2) > 3 * borders(20)


def test_spectra_differ_and_pairs_are_close():
    wavelengths = np.linspace(400, 2500, 120)
    spectra = class_spectra(10, wavelengths, np.random.default_rng(0))
    distance = np.sqrt(np.mean((spectra[:, None] - spectra[None]) ** 2, axis=-1))
    assert np.all(distance[~np.eye(10, dtype=bool)] > 0.002)
    pairs = [distance[i, i + 1] for i in range(0, 10, 2)]
    assert np.mean(pairs) < 0.3 * distance[~np.eye(10, dtype=bool)].mean()


def test_vegetation_has_a_red_edge_and_the_air_has_gaps():
    cube, labels, wavelengths = make_scene(50, 50, 211, classes=4, dtype="float32", noise=0.001)
    assert cube.dtype == np.float32
    leaf = cube[labels == 1].mean(axis=0)

    def at(nm):
        return leaf[np.argmin(np.abs(wavelengths - nm))]

    assert at(800) > 3 * at(670)
    assert at(550) > at(670)
    for gap, edge in ((1380, 1280), (1880, 1700)):
        assert at(gap) < 0.3 * at(edge)


def test_noise_grows_towards_both_ends():
    quiet, _, _ = make_scene(60, 60, 100, seed=1, noise=0, dtype="float32")
    noisy, _, _ = make_scene(60, 60, 100, seed=1, noise=0.02, dtype="float32")
    ratio = quiet.mean(axis=(0, 1)) / (noisy - quiet).std(axis=(0, 1))
    assert ratio[:5].mean() < 0.5 * ratio[40:45].mean()
    assert ratio[-5:].mean() < 0.5 * ratio[56:61].mean()


def test_mixed_pixels_lie_between_two_classes():
    pure, labels, _ = make_scene(60, 60, 30, classes=2, noise=0, mixed=False, labelled_share=1, dtype="float32")
    mixed, _, _ = make_scene(60, 60, 30, classes=2, noise=0, mixed=True, labelled_share=1, dtype="float32")
    changed = np.any(np.abs(pure - mixed) > 1e-3, axis=2)
    border = np.zeros(labels.shape, bool)
    border[1:] |= labels[1:] != labels[:-1]
    assert changed[border].mean() > 0.9
    assert changed.mean() < 0.6


@pytest.mark.parametrize(
    "wrong", [{"classes": 0}, {"classes": 65}, {"noise": -1}, {"field": 0.5}, {"labelled_share": 0}, {"bands": 0}]
)
def test_impossible_requests_are_refused(wrong):
    with pytest.raises(UsageError, match="found"):
        make_scene(8, 8, **{"bands": 4, **wrong})


def test_the_synthetic_place_has_a_real_crs():
    place = synthetic_georeference(5)
    assert rasterio.crs.CRS.from_wkt(place.crs).to_epsg() == 32616
    assert place.transform[0] == 5
