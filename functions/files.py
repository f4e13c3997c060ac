"""Files that are whole at any moment."""

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Writes `text` under a temporary name beside `path`, then renames it."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)
