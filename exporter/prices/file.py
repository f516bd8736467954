"""Prices by model, from LiteLLM's ``model_prices_and_context_window.json``.

The file is one JSON object, whose keys name models in several ways. ``PriceFile`` looks up a model
under each possible name, but never uses entries of other vendors. If it finds none, the price is
unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from exporter.prices.entry import Entry, UnknownPrice, token_price
from exporter.prices.price import TokenPrice
from exporter.prices.vendors import Vendor
from exporter.settings.files import read_bytes
from exporter.settings.mistakes import ConfigError, Mistake, did_you_mean
from exporter.settings.paths import loaded_by

MAX_FILE_BYTES = 16 << 20

_MODES = (None, "chat", "completion", "responses", "embedding", "rerank")
_USED_FIELDS = re.compile(
    r"(in|out)put_cost_per_(token|reasoning_token|request|query)|cache_(read|creation)_input_token_cost"
    r"|tiered_pricing|off_peak_pricing|regional_processing|litellm_provider$|alias_of$"
)
_DATE = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8})$")


@dataclass(frozen=True, slots=True)
class PriceFile:
    """The content of a price file when the configuration was loaded."""

    path: Path
    entries: Mapping[str, Entry]

    def by_key(self, key: str, service_tier: object, processed_in: str | None) -> TokenPrice:
        """Return the price under exactly this key.

        :param processed_in: as in ``Vendor``.
        :raises UnknownPrice: there is none.
        """
        entry = self._entry(key)
        if entry is None:
            known = [name for name in self.entries if name[0] == key[0]]
            raise UnknownPrice(f"prices_file has no {key!r}; {did_you_mean(key, known)}")
        return token_price(key, entry, service_tier, processed_in)

    def by_model(
        self, vendor: Vendor, model: str, region: str | None, service_tier: object
    ) -> TokenPrice:
        """Return the price of a vendor's model.

        :raises UnknownPrice: there is none.
        """
        for key in _keys(vendor, model, region):
            entry = self._entry(key)
            if entry is not None and entry.get("litellm_provider") in vendor.names:
                return token_price(key, entry, service_tier, vendor.processed_in)
        raise UnknownPrice(f"prices_file has no {model!r} by {' or '.join(vendor.names)}")

    def _entry(self, key: str) -> Entry | None:
        entry = self.entries.get(key)
        alias = entry.get("alias_of") if entry else None
        return self.entries.get(alias) if isinstance(alias, str) else entry


def _keys(vendor: Vendor, model: str, region: str | None) -> Iterator[str]:
    """Yield the possible keys of a model, in order of preference.

    These are the name with the vendor as a prefix and the name alone, then both without the date of
    a dated version.
    """
    for name in dict.fromkeys((model, _DATE.sub("", model))):
        for prefix in vendor.names:
            if region:
                yield f"{prefix}/{region}/{name}"
            yield f"{prefix}/{name}"
        yield name


def load_prices(path: Path) -> PriceFile:
    """Read a price file, and keep only the fields that prices use.

    :raises ConfigError: the file can't be read or isn't a price file.
    """
    content = read_bytes(path, MAX_FILE_BYTES)
    try:
        document = json.loads(content, parse_float=_number, parse_int=_number)
    except json.JSONDecodeError as error:
        why = f"is not JSON: {error.msg}; {_WANTED}"
        raise ConfigError([Mistake(why, path, error.lineno)]) from None
    except (ValueError, RecursionError):  # not text, too deep
        raise ConfigError([Mistake(f"is not JSON; {_WANTED}", path)]) from None
    models = document.items() if isinstance(document, dict) else ()
    entries = {name: _used(entry) for name, entry in models if name and _is_model(entry)}
    if not entries:
        raise ConfigError([Mistake(f"contains no models; {_WANTED}", path)])
    return PriceFile(path, entries)


_WANTED = "use LiteLLM's model_prices_and_context_window.json"


def _number(text: str) -> Decimal | str:
    """Keep a number that is too large for a decimal as text: only its own model has no price."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _is_model(entry: object) -> bool:
    """Whether an entry is a text model; others document the file or are image or audio models."""
    if not isinstance(entry, dict):
        return False
    return "alias_of" in entry or ("litellm_provider" in entry and entry.get("mode") in _MODES)


def _used(entry: Entry) -> Entry:
    """Drop unused fields to save memory: there are thousands of entries."""
    used = {name: value for name, value in entry.items() if _USED_FIELDS.match(name)}
    # Vectors cost nothing beyond their input, so some entries leave it out.
    return {"output_cost_per_token": 0, **used} if entry.get("mode") == "embedding" else used


LoadedPrices = Annotated[
    PriceFile,
    BeforeValidator(loaded_by(PriceFile, load_prices)),
    WithJsonSchema({"type": "string", "format": "path"}),
]
"""A path in the file. Validation reads the file at once, so a loaded configuration is complete."""
