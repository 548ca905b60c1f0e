"""Units of wavelengths, as all formats parse them."""

import pytest
import rasterio

from hsi.core.events import Recorder, report_to
from hsi.io import open_scene
from hsi.io.formats._product import to_nanometres
from tests.io.file_makers import UTM, envi, small_cube, tiff

MICROMETRES = (0.4, 0.55, 0.7, 1.6, 2.4)
CENTRES = (400, 550, 700, 1600, 2400)


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        *(
            (unit, CENTRES)
            for unit in ("nm", "Nanometers", "nanometers (nm)", "Wavelength [nm]", "NANOMETRES", "Unknown")
        ),
        *((unit, CENTRES) for unit in (None, "", "Micrometers", "a.u.")),  # micrometres would be millimetres long
        ("nm", MICROMETRES),
        *((unit, MICROMETRES) for unit in ("um", "\u00b5m", "\u03bcm", "microns", "Micrometers", "micrometre (um)")),
        *((unit, MICROMETRES) for unit in (None, "Unknown", "unitless")),
        *(
            (unit, [1e4 / value for value in MICROMETRES])
            for unit in ("cm-1", "Wavenumber", "1/cm", "Wavenumbers (cm-1)")
        ),
        ("Angstroms", [10 * value for value in CENTRES]),
        ("m", [1e-9 * value for value in CENTRES]),
    ],
)
def test_wavelengths_in_nanometres(unit, values):
    widths = [value / 100 for value in values]
    wavelengths, fwhm = to_nanometres(values, widths, unit)
    assert wavelengths == pytest.approx(CENTRES)
    assert fwhm == pytest.approx([value / 100 for value in CENTRES])


def test_a_camera_below_1000_nm_whose_header_says_micrometres():
    assert to_nanometres((400.0, 700.0, 998.5), unit="Micrometers")[0] == (400.0, 700.0, 998.5)


@pytest.mark.parametrize("unit", [None, "Unknown", "Micrometers", "nm", "Index"])
@pytest.mark.parametrize("first", [0, 1])
def test_numbers_that_count_the_bands_are_none(unit, first):
    assert to_nanometres(range(first, first + 5), [1] * 5, unit) == (None, None)


@pytest.mark.parametrize("values", [(2, 4, 7), (0.01, 0.02), (25, 60, 90), (30_000, 40_000), ()])
def test_an_unknown_unit_of_other_magnitudes_gives_none(values):
    assert to_nanometres(values) == (None, None)


def test_widths_in_a_unit_of_their_own():
    assert to_nanometres(MICROMETRES, [10] * 5, "um", "nm") == (pytest.approx(CENTRES), (10,) * 5)


@pytest.mark.parametrize("kind", ["envi", "tiff"])
def test_numbers_that_are_not_used_are_reported(kind, tmp_path):
    indices = [1, 2, 3, 4, 5]
    if kind == "envi":
        path = envi(tmp_path / "x.hdr", small_cube(), wavelength=indices, wavelength_units="Micrometers")
    else:
        path = tiff(tmp_path / "x.tif", small_cube(), **UTM)
        with rasterio.open(path, "r+") as file:
            for band in file.indexes:
                file.update_tags(band, wavelengths=band)
    recorder = Recorder()
    with report_to(recorder):
        assert open_scene(path).wavelengths is None
    assert any(title == "wavelengths" and "not used: 1 to 5" in text for title, text in recorder.messages)
