import os
import shutil
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from apparent.bulk.sources import TooLarge, find_names, read, shards


def test_files_folders_and_zips_are_listed_sorted_and_each_once(collection: Path) -> None:
    archive = collection / "more.zip"
    names = find_names([str(archive), str(collection), str(collection / "b.jpg")])
    told = [name.removeprefix(f"{collection}/") for name in names]
    assert told == [
        *("a.png", "b.jpg", "below/c.jpg", "below/grey.png", "broken.jpg"),
        *("more.zip", "more.zip!/in/d.jpg", "more.zip!/in/grey.png", "notes.txt"),
    ]
    with zipfile.ZipFile(archive) as opened:
        assert read(f"{archive}!/in/d.jpg") == opened.read("in/d.jpg")


def test_a_prefix_is_listed_and_read_like_a_folder(s3: Any) -> None:
    for key in ("in/b.jpg", "in/ä b#c?.jpg", "in/", "out/c.jpg", "in/.DS_Store", "in/.d/e.jpg"):
        s3.put_object(Bucket="bucket", Key=key, Body=key.encode())
    names = find_names(["s3://bucket/in/"])
    assert names == ["s3://bucket/in/b.jpg", "s3://bucket/in/ä b#c?.jpg"]
    assert [read(name).decode() for name in names] == ["in/b.jpg", "in/ä b#c?.jpg"]
    assert find_names(["s3://bucket/in/.d/"]) == ["s3://bucket/in/.d/e.jpg"]  # by its own name
    with pytest.raises(FileNotFoundError):
        read("s3://bucket/in/gone.jpg")
    with pytest.raises(TooLarge):
        read(names[0], max_bytes=7)


@pytest.mark.parametrize("source", ["nowhere", "nowhere.zip", "s3://no-such-bucket/in/"])
def test_what_is_not_there_is_told_before_the_run(source: str, s3: Any) -> None:
    with pytest.raises(FileNotFoundError):
        find_names([source])


def test_what_would_wait_or_fill_memory_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"12345")
    with pytest.raises(OSError, match="no regular file"):
        read(str(tmp_path / "pipe"))
    with pytest.raises(TooLarge, match="5 bytes"):
        read(str(tmp_path / "large"), max_bytes=4)


def test_a_zip_in_capitals_is_one_and_a_damaged_one_is_unreadable(
    collection: Path, tmp_path: Path
) -> None:
    path = tmp_path / "MORE.ZIP"
    shutil.copy(collection / "more.zip", path)
    photo, _ = find_names([str(path)])
    assert read(photo) == read(f"{collection / 'more.zip'}!/in/d.jpg")
    damaged = tmp_path / "damaged.zip"
    with zipfile.ZipFile(damaged, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(1000))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:35] + b"\xff" * 10 + whole[45:])  # inside the deflated bytes
    with pytest.raises(OSError, match=r"a.jpg in .*damaged.zip cannot be read"):
        read(f"{damaged}!/a.jpg")


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_states_too_small_a_size_fills_no_memory(kind: int, tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("a.jpg", bytes(1 << 26))
    whole = bytearray(path.read_bytes())
    stated = whole.index(b"PK\x01\x02") + 24
    whole[stated : stated + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(whole)
    tracemalloc.start()
    with pytest.raises(OSError, match=r"cannot be read|is packed by"):
        read(f"{path}!/a.jpg")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 24


def test_a_member_whose_two_names_differ_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "names.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ä.jpg", b"photo")
    whole = bytearray(path.read_bytes())
    whole[30] = 0xFF  # of the name before the bytes: that in the directory stays
    path.write_bytes(whole)
    with pytest.raises(OSError, match="cannot be read"):
        read(f"{path}!/ä.jpg")


def test_members_named_from_here_are_listed_and_hidden_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("./photos/a.jpg", "../b.jpg", "./.hidden/c.jpg", "._d.jpg"):
            archive.writestr(name, name)
    names = find_names([str(path)])
    assert [read(name).decode() for name in names] == ["../b.jpg", "./photos/a.jpg"]


def test_folders_of_a_zip_may_be_told_by_backslashes(tmp_path: Path) -> None:
    path = tmp_path / "windows.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("in\\", "in\\a.jpg", "in\\.hidden.jpg"):
            archive.writestr(name, name)
    (photo,) = find_names([str(path)])
    assert read(photo) == b"in\\a.jpg"


def test_a_zip_of_another_kind_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "new.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"")
    whole = bytearray(path.read_bytes())
    directory = whole.index(b"PK\x01\x02")
    whole[directory + 6] = 90  # the version that reading it needs
    path.write_bytes(whole)
    with pytest.raises(OSError, match=r"new.zip is no zip that can be read: zip file version 9.0"):
        find_names([str(path)])


def test_shards_hold_every_name_once_in_order() -> None:
    names = [str(number) for number in range(10)]
    cut = shards(names, 4)
    assert [len(shard) for shard in cut] == [4, 4, 2]
    assert [name for shard in cut for name in shard] == names
