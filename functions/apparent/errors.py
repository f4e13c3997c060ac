"""Everything that Apparent raises on purpose.

    ApparentError
    ├── PhotoError            the bytes are not a photo that can be read
    │   ├── UnsupportedFormat     in none of the formats that are read
    │   └── UndecodablePhoto      damaged, incomplete, or too many pixels
    └── ModelError            the model bundle cannot be used
        └── PublishError          the bundle could not be put where it should go

Each message is a sentence or two: what was wrong, and what to do.
"""


class ApparentError(Exception):
    """Base of all errors of this library."""


class PhotoError(ApparentError, ValueError):
    """The bytes are not a photo that can be read."""


class UnsupportedFormat(PhotoError):
    """The bytes are in none of the formats that are read."""


class UndecodablePhoto(PhotoError):
    """The bytes claim to be a photo but cannot be decoded, or decode to too many pixels."""


class ModelError(ApparentError, ValueError):
    """The model bundle cannot be used; the message says which file is wrong."""


class PublishError(ModelError):
    """The bundle could not be published; the message says what is there now."""
