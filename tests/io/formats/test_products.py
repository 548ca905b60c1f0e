"""What every product reader does; the tables hold what is documented of each product."""

import os

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsi.core.scene import Block, survey_scene
from hsi.errors import HsiError
from hsi.io import READERS, open_scene
from tests.io.file_makers import NORTH_UP, envi, mat73, npy, small_cube, tiff
from tests.io.helpers import FEW, check_place, check_window, damage, refuse_labels, refuse_scene
from tests.io.product_makers import PRODUCTS, emit, neon

each = pytest.mark.parametrize("name", PRODUCTS)
PLACES = {
    "enmap": (NORTH_UP, 32633),
    "desis": (NORTH_UP, 32633),
    "prisma": (NORTH_UP, 32633),
    "emit": ((0.000542, 0, -115.9, 0, -0.000542, 33.4), 4326),
    "neon": ((1, 0, 368_000, 0, -1, 4_307_000), 32618),
    "aviris": (NORTH_UP, 32633),
    "hyperion": (NORTH_UP, 32633),
    "tanager": (NORTH_UP, 32633),
    "wyvern": (NORTH_UP, 32633),
}
# bands in opaque air and water vapour, and those of PRISMA's VNIR where its SWIR overlaps, in nm
BAD = {"emit": [1725], "neon": [1351, 1931], "prisma": [966, 977], "tanager": [1341], "hyperion": [925]}


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """Every product, alone in its folder, and the scene that is read from it."""
    made = {name: make(tmp_path_factory.mktemp(name)) for name, make in PRODUCTS.items()}
    return {name: (product, open_scene(product.path)) for name, product in made.items()}


@each
def test_holds_the_physical_values_that_were_stored(name, products):
    product, scene = products[name]
    assert scene.shape == product.expected.shape
    assert scene.dtype == scene.read().dtype == np.float32
    np.testing.assert_allclose(scene.read(), product.expected, rtol=1e-6, atol=1e-6)


@each
@given(data=st.data())
@FEW
def test_a_window_is_that_part_of_the_scene(name, data, products):
    check_window(data, products[name][1], products[name][1].read())


@each
def test_no_other_product_and_no_matlab_reader_recognises_it(name, products):
    own = name.partition("-")[0]
    knowing = {key for key, reader in READERS.items() if reader.recognises(products[name][0].path)}
    assert {key for key in knowing if READERS[key].is_product} == {own}
    assert knowing - {own} <= {"gdal", "subdatasets"}


def test_no_product_reader_accepts_a_general_file(tmp_path):
    cube = small_cube()
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["reflectance"] = cube
    paths = [
        mat73(tmp_path / "c.mat", cube=cube), npy(tmp_path / "c.npy", cube), tiff(tmp_path / "c.tif", cube),
        envi(tmp_path / "c.hdr", cube), tiff(tmp_path / "ENMAP01-SPECTRAL_IMAGE.TIF", cube),
        tmp_path / "nothing-METADATA.XML", tmp_path / "c.h5",
    ]  # fmt: skip
    readers = [reader for _, reader in READERS.items() if reader.is_product]
    assert not [path for path in paths if any(reader.accepts(path) for reader in readers)]


@each
def test_opens_by_its_folder_unless_that_holds_two(name, products, tmp_path):
    path = products[name][0].path
    assert open_scene(path.parent).source == path
    emit(tmp_path), neon(tmp_path)
    refuse_scene(tmp_path, "holds 2 products", "EMIT_L2A", "NEON_D02")


@each
def test_has_no_labels_of_its_own(name, products):
    scene = products[name][1]
    refuse_labels(None, scene, "no labels found")
    refuse_labels(scene.source, scene, "labels")


@each
def test_wavelengths_rise_and_go_with_fwhm(name, products):
    scene = products[name][1]
    assert len(scene.wavelengths) == len(scene.bands)
    assert scene.fwhm is None if name == "pace" else len(scene.fwhm) == len(scene.bands)
    assert list(scene.wavelengths) == sorted(scene.wavelengths)
    assert min(scene.wavelengths) >= 350


@pytest.mark.parametrize("name", PLACES)
def test_lies_where_the_product_says(name, products):
    check_place(products[name][1], *PLACES[name])


@pytest.mark.parametrize("name", BAD)
def test_bands_that_are_marked_as_bad(name, products):
    scene = products[name][1]
    assert [round(nm) for nm, good in zip(scene.wavelengths, scene.good, strict=True) if not good] == BAD[name]


@each
def test_its_border_without_data_is_no_usable_pixel(name, products):
    product, scene = products[name]
    survey = survey_scene(scene)
    void = ~np.isfinite(product.expected).all(axis=2) | np.isin(product.expected, (-9999, -32767)).any(axis=2)
    np.testing.assert_array_equal(survey.valid, ~void)
    assert survey.nodata == np.count_nonzero(void) > 0


@each
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_one_that_is_cut_off_is_refused(name, share, tmp_path):
    path = PRODUCTS[name](tmp_path).path
    os.truncate(path, int(path.stat().st_size * share))
    refuse_scene(path, path.name)


@each
@given(data=st.data())
@FEW
def test_damaged_bytes_raise_nothing_but_our_own_errors(name, data, products, tmp_path):
    path = products[name][0].path
    damage(data, sorted(path.parent.iterdir()), tmp_path)
    try:
        open_scene(tmp_path / path.name).read(Block(0, 0, 1, 1))
    except HsiError as error:
        assert "\n" not in str(error)
