"""Arrays, pictures and names as text inside a page."""

import base64
import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hsi.report.html.encoding import embedded_json, encode_array, encode_picture
from tests.report.html.test_page import decoded


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", ">u2"])
def test_numbers_come_back(dtype):
    values = np.random.default_rng(0).integers(0, 4000, (4, 7)).astype(dtype)
    assert_array_equal(decoded(encode_array(values)).reshape(4, 7), values)


def test_other_dtypes_are_refused():
    with pytest.raises(ValueError, match="float64"):
        encode_array(np.zeros(3))


def test_json_ends_no_script_and_is_the_same_json():
    value = {"name": "<script>alert(1)</script> & <!-- \u2028 é"}
    text = embedded_json(value)
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="JSON"):
        embedded_json([float("nan")])


def test_a_picture_is_a_png():
    kind, _, data = encode_picture(np.zeros((2, 3, 3), np.uint8)).partition(",")
    assert kind == "data:image/png;base64" and base64.b64decode(data)[1:4] == b"PNG"
