"""Bands for a model: by wavelength in any order, resampled when asked, refused with the mismatch otherwise."""

import numpy as np
import pytest
from spectral import BandResampler

from hsi.core.scene import scene_from_array
from hsi.errors import BundleError, UsageError
from hsi.preprocessing.band_matching import BandList, match_bands

NM = tuple(float(x) for x in range(400, 1000, 20))


def make_scene(wavelengths, fwhm=None, good=None):
    cube = np.random.default_rng(0).uniform(1, 2, (4, 5, len(wavelengths)))
    return scene_from_array(cube, "flight", wavelengths=tuple(wavelengths), fwhm=fwhm, good=good)


def unplaced(bands):
    return scene_from_array(np.ones((4, 5, bands)), "flight")


class TestByWavelength:
    def test_the_same_bands(self):
        match = match_bands(BandList(tuple(range(30)), 30, NM, None), make_scene(NM))
        assert match.scene.bands == tuple(range(30))
        assert match.matrix is None
        assert "30 bands by wavelength" in match.note

    def test_some_bands_in_another_order_and_a_little_off(self):
        order = np.random.default_rng(1).permutation(30)
        scene = make_scene(np.asarray(NM)[order] + 0.6)
        match = match_bands(BandList((2, 5, 29), 220, (NM[2], NM[5], NM[29]), None), scene)
        assert [int(order[i]) for i in match.scene.bands] == [2, 5, 29]
        assert np.array_equal(match.scene.read(), scene.read()[:, :, list(match.scene.bands)])
        assert match.convert(match.scene.read()) is not None
        assert "0.6 nm difference" in match.note

    @pytest.mark.parametrize(("trained", "there"), [((976.0, 976.0), (976.0, 976.0)), ((976.0, 977.1), (976.9, 976.2))])
    def test_bands_of_overlapping_detectors_are_neither_taken_twice_nor_swapped(self, trained, there):
        bands = BandList((0, 1, 2, 3), 4, (900.0, *trained, 990.0), None)
        assert match_bands(bands, make_scene((900.0, *there, 990.0))).scene.bands == (0, 1, 2, 3)

    def test_a_mismatch_is_listed(self):
        wanted = (*NM, 1000.5, 1100.0, 1200.0, 1300.0, 1400.0, 1500.0)
        with pytest.raises(BundleError) as caught:
            match_bands(BandList(tuple(range(36)), 36, wanted, None), make_scene(NM))
        for part in ("flight", "6 of the model's 36", "1000.5 nm (nearest 980.0)", "and 1 more", "--resample-bands"):
            assert part in str(caught.value)

    def test_bands_that_the_file_marks_as_bad_are_counted(self):
        good = tuple(i not in (3, 4) for i in range(30))
        match = match_bands(BandList((2, 3, 4), 30, NM[2:5], None), make_scene(NM, good=good))
        assert match.note.endswith("; the file marks 2 of them as bad")


class TestByPosition:
    def test_a_cube_with_another_order_of_axes_is_named(self):
        turned = scene_from_array(np.ones((30, 4, 6)), axes="HWB")
        with pytest.raises(BundleError, match="read as HWB: --axes gives"):
            match_bands(BandList(tuple(range(30)), 30, None, None), turned)

    @pytest.mark.parametrize("side", ["model", "scene"])
    def test_without_wavelengths_positions_count(self, side):
        trained = BandList((1, 4), 30, None if side == "model" else (420.0, 480.0), None)
        match = match_bands(trained, make_scene(NM) if side == "model" else unplaced(30))
        assert match.scene.bands == (1, 4)
        assert ("the model" if side == "model" else "flight") + " has no wavelengths" in match.note

    def test_another_number_of_bands_is_refused(self):
        with pytest.raises(BundleError, match="has 29 bands, the model was trained on a file of 30"):
            match_bands(BandList((1, 4), 30, None, None), unplaced(29))

    def test_there_is_nothing_to_resample_by(self):
        with pytest.raises(UsageError, match="needs wavelengths on both sides, and flight has none"):
            match_bands(BandList((1, 4), 30, (420.0, 480.0), None), unplaced(30), resample=True)


class TestResampling:
    def test_bands_that_are_there_are_taken_as_they_are(self):
        assert match_bands(BandList((1, 4), 30, (NM[1], NM[4]), None), make_scene(NM), resample=True).matrix is None

    def test_a_smooth_spectrum_comes_out_as_the_other_sensor_sees_it(self):
        have, wanted = np.linspace(395, 1005, 123), np.linspace(412, 988, 30)

        def spectrum(nm):
            return 1 + np.sin(nm / 120)

        scene = make_scene(have)
        match = match_bands(BandList(tuple(range(30)), 30, tuple(wanted), None), scene, resample=True)
        chosen = spectrum(np.asarray(match.scene.wavelengths))
        resampled = match.convert(np.broadcast_to(chosen, (2, 3, len(chosen))))
        assert resampled.shape == (2, 3, 30)
        np.testing.assert_allclose(resampled[0, 0], spectrum(wanted), atol=0.02)
        np.testing.assert_allclose(match.matrix.sum(axis=1), 1)

    def test_known_widths_are_used(self):
        have, wanted = np.arange(400.0, 1000, 5), np.arange(420.0, 980, 10)
        widths = (6.0,) * len(have), (25.0,) * len(wanted)
        trained = BandList(tuple(range(len(wanted))), 56, tuple(wanted + 1.5), widths[1])
        match = match_bands(trained, make_scene(have, widths[0]), resample=True)
        expected = BandResampler(list(have), list(wanted + 1.5), *map(list, widths)).matrix
        used = [list(have).index(nm) for nm in match.scene.wavelengths]
        assert np.array_equal(match.matrix, expected[:, used])
        assert np.count_nonzero(match.matrix[5]) >= 5

    def test_unordered_bands_of_either_side(self):
        order = np.random.default_rng(0).permutation(30)
        trained = BandList((0, 1, 2), 3, (905.0, 455.0, 610.0), None)
        straight = match_bands(trained, make_scene(NM), resample=True)
        mixed = match_bands(trained, make_scene(np.asarray(NM)[order]), resample=True)
        assert np.array_equal(straight.matrix, mixed.matrix)
        assert straight.scene.wavelengths == mixed.scene.wavelengths

    def test_unused_and_bad_bands_are_not_read(self):
        match = match_bands(BandList((0,), 1, (610.0,), (20.0,)), make_scene(NM), resample=True)
        assert match.scene.wavelengths == (600.0, 620.0)
        assert "1 bands resampled from 2" in match.note
        scene = make_scene(NM, good=tuple(nm != 600 for nm in NM))
        match = match_bands(BandList((0,), 1, (612.0,), (20.0,)), scene, resample=True)
        assert 600.0 not in match.scene.wavelengths

    def test_a_gap_in_the_models_bands_does_not_widen_its_neighbours(self):
        wanted = tuple(x for x in np.arange(405.0, 990, 10) if not 600 < x < 800)
        match = match_bands(BandList(tuple(range(len(wanted))), 60, wanted, None), make_scene(NM), resample=True)
        assert not [nm for nm in match.scene.wavelengths if 630 < nm < 770]

    def test_what_the_scene_does_not_cover_is_refused(self):
        with pytest.raises(BundleError, match=r"covers 400.0 to 980.0 nm, which cannot make 2 .* such as 1200.0 nm"):
            match_bands(BandList((0, 1, 2), 3, (500.0, 1200.0, 1300.0), (10.0,) * 3), make_scene(NM), resample=True)
