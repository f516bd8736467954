"""Configuration of the exporter's location."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Tag

from exporter.settings.types import Model

_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def place(name: str) -> str:
    """Check that a name can be the value of the label ``location``.

    :raises ValueError: it can't.
    """
    if not _PLACE.fullmatch(name):
        raise ValueError(
            "must be 1 to 64 letters, digits, dots, hyphens and underscores, as in eu-west-1"
        )
    return name


class CloudLocation(Model):
    """A location from the metadata service of a cloud, which the exporter asks once at startup."""

    cloud: Literal["aws", "azure", "gcp"]
    """The cloud whose metadata service to ask."""
    part: Literal["region", "zone"] = "region"
    """The part of the location to use."""


def _name_or_cloud(value: object) -> str:
    return "cloud" if isinstance(value, dict | CloudLocation) else "name"


ExporterLocation = Annotated[
    Annotated[str, AfterValidator(place), Tag("name")] | Annotated[CloudLocation, Tag("cloud")],
    Discriminator(_name_or_cloud),
]
