import gzip

from tests.conftest import ROOT


def test_the_page_without_its_samples_is_small() -> None:
    files = [path for path in (ROOT / "site").rglob("*") if path.is_file()]
    own = [path for path in files if path.parent.name != "samples" and path.suffix != ".ts"]
    assert len(own) > 5
    assert sum(len(gzip.compress(path.read_bytes())) for path in own) < 60_000
