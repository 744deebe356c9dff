import pytest

from ganet_mm import files
from ganet_mm.files import check_output, read_json, write_bytes, write_json


def test_values_come_back(tmp_path):
    path = tmp_path / "new" / "folder" / "values.json"
    write_json(path, {"é": [1, 2.5, None]})
    assert read_json(path) == {"é": [1, 2.5, None]}
    assert path.read_text(encoding="utf-8").endswith("}\n")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "values.json"
    write_json(path, [1])
    with pytest.raises(TypeError):
        write_json(path, object())
    with pytest.raises(TypeError):
        write_bytes(path, "text, not bytes")
    assert read_json(path) == [1]
    assert [entry.name for entry in tmp_path.iterdir()] == ["values.json"]


def test_a_failed_write_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_bytes(path, b"old")

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr(files.Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_bytes(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_an_output_that_can_not_be_written_is_known_before(tmp_path, monkeypatch):
    check_output(tmp_path / "a" / "b" / "scores.json")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "road.jpg").touch()
    with pytest.raises(NotADirectoryError, match=r"scores\.json cannot .*road\.jpg is no"):
        check_output(tmp_path / "road.jpg" / "a" / "scores.json")
    with pytest.raises(IsADirectoryError, match="is a folder: name a file in it"):
        check_output(tmp_path)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(PermissionError, match=r"scores\.json cannot be written: no permission"):
        check_output(tmp_path / "scores.json")
