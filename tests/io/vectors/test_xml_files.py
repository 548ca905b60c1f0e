"""XML that cannot harm: no document type, no deep nesting, no more than a size."""

import pytest

from hsi.errors import SceneFileError
from hsi.io.vectors import xml_files


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>', "document type"),
        ('<!DOCTYPE a SYSTEM "http://localhost/a.dtd"><a/>', "document type"),
        ("<a>" * 200 + "</a>" * 200, "nested more than 100 levels"),
    ],
)
def test_what_could_harm_is_refused(text, words, tmp_path):
    path = tmp_path / "a.xml"
    for encoding in ("utf-8", "utf-16"):
        path.write_text(text, encoding=encoding)
        with pytest.raises(SceneFileError, match=words):
            xml_files.read_xml(path, path)


def test_a_size_is_not_exceeded(tmp_path, monkeypatch):
    path = tmp_path / "a.xml"
    path.write_text("<a><b>1</b></a>")
    assert xml_files.read_xml(path, path).findtext("b") == "1"
    monkeypatch.setattr(xml_files, "LARGEST_XML", 10)
    with pytest.raises(SceneFileError, match="more than 10 bytes"):
        xml_files.read_xml(path, path)
