"""What an event's parts say of themselves."""

from __future__ import annotations

import pytest

from bridge import Picture


@pytest.mark.parametrize(
    ("media_type", "extension"),
    [("image/jpeg", "jpg"), ("image/png", "png"), ("image/webp", "webp"), ("image/tiff", "bin"), ("", "bin")],
)
def test_a_picture_says_what_a_file_with_it_is_called_by(media_type: str, extension: str) -> None:
    picture = Picture(role="scene", media_type=media_type, width=1, height=1, size=1, sha256="")
    assert picture.extension == extension
