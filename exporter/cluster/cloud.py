"""Reads the region or zone of this host from the cloud's metadata service.

Requests don't leave the host's link: the metadata services of all clouds share the address
169.254.169.254. Sources: "Use the Instance Metadata Service to access instance metadata" (AWS,
IMDSv2), "About VM metadata" (Google Cloud), "Azure Instance Metadata Service".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import httpx

from exporter.config.location import CloudLocation, ExporterLocation, place
from exporter.settings.mistakes import ConfigError, Mistake
from exporter.settings.presentable import words_of

_TIMEOUT_SECONDS = 2.0
_LINK_LOCAL = "http://169.254.169.254"


class Located:
    """Resolves the location of the exporter, and caches it: a machine doesn't move."""

    def __init__(self) -> None:
        self._found: dict[CloudLocation, str] = {}

    def __call__(self, location: ExporterLocation | None) -> str | None:
        """The name of the location.

        :raises ConfigError: the cloud's metadata service returned no usable response.
        """
        if not isinstance(location, CloudLocation):
            return location
        if location not in self._found:
            self._found[location] = _request(location)
        return self._found[location]


def _request(location: CloudLocation) -> str:
    try:
        # No proxy: it can't reach this host's link, or would return its own location.
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            return place(_CLOUDS[location.cloud](client, location.part))
    except (httpx.HTTPError, ValueError) as error:
        raise ConfigError(
            [
                Mistake(
                    f"the metadata service of {location.cloud} does not say where this is"
                    f" ({words_of(error)}); set location to the name of the location instead",
                    key="location.cloud",
                )
            ]
        ) from error


def _aws(client: httpx.Client, part: str) -> str:
    """IMDSv2 requires a session token, which a forwarded request can't get."""
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _LINK_LOCAL).rstrip("/")
    seconds = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    answer = client.put(f"{base}/latest/api/token", headers=seconds)
    token = {"X-aws-ec2-metadata-token": answer.raise_for_status().text}
    name = {"region": "region", "zone": "availability-zone"}[part]
    return _text(client.get(f"{base}/latest/meta-data/placement/{name}", headers=token))


def _gcp(client: httpx.Client, part: str) -> str:
    """The response is like ``projects/123/zones/europe-west1-b``. The region is the part of the
    zone before the last hyphen."""
    host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
    url = f"http://{host}/computeMetadata/v1/instance/zone"
    answer = client.get(url, headers={"Metadata-Flavor": "Google"})
    zone = _text(answer).rpartition("/")[2]
    return zone if part == "zone" else zone.rpartition("-")[0]


def _azure(client: httpx.Client, part: str) -> str:
    """A zone is a number within its region. It is empty for a machine without a zone."""
    base = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST", _LINK_LOCAL).rstrip("/")

    def read(name: str) -> str:
        return _text(
            client.get(
                f"{base}/metadata/instance/compute/{name}",
                params={"api-version": "2021-02-01", "format": "text"},
                headers={"Metadata": "true"},
            )
        )

    region = read("location")
    return region if part == "region" else f"{region}-{read('zone')}"


def _text(answer: httpx.Response) -> str:
    return answer.raise_for_status().text.strip()


_CLOUDS: Mapping[str, Callable[[httpx.Client, str], str]] = {
    "aws": _aws,
    "azure": _azure,
    "gcp": _gcp,
}
