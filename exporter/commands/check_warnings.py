"""Warnings about a valid configuration: probes that will fail, budgets that will run out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from exporter.commands.check_objectives import objective_warnings
from exporter.config.names import SECRET_HEADERS
from exporter.config.output_limit import removes_the_limit
from exporter.config.root import Config
from exporter.config.target import Target
from exporter.net.failure import NetworkFailure
from exporter.net.proxies import proxy_for
from exporter.providers.credentials import KeyAlone
from exporter.settings.files import check_regular
from exporter.settings.secret import Secret, SecretError


def warnings(config: Config) -> list[str]:
    """All warnings, a line for each."""
    groups = (_of_money(config), _of_state(config), *map(_of_target, config.targets))
    others = (f"warning: {why}" for group in groups for why in group)
    return list(dict.fromkeys((*objective_warnings(config.plans()), *others)))


def _of_money(config: Config) -> Iterator[str]:
    for name, why in config.unknown_prices():
        yield f"target {name}: price not known: {why}"
    for target in config.targets:
        if (config.budget.usd_per_day or target.budget) and removes_the_limit(target.extra_body):
            yield (
                f"target {target.name}: extra_body removes the limit of output tokens, so a probe"
                " can exceed the budget"
            )
    file = config.budget.state_file
    budgets = [config.budget.usd_per_day, *(target.budget for target in config.targets)]
    if file is None and any(budgets):
        yield "a restart resets the budgets: set budget.state_file to keep the spend"
    if file and not file.parent.is_dir():
        yield f"budget.state_file: {file.parent} is not a directory"
    elif file and file.exists():
        yield from (f"budget.state_file: {why}" for why in _unreadable(file))


def _of_state(config: Config) -> Iterator[str]:
    folder = config.state_folder
    if folder and not folder.is_dir():
        yield f"state_folder: {folder} is not a folder"


def _of_target(target: Target) -> Iterator[str]:
    whose = f"target {target.name}: "
    if _lacks_key(target):
        yield f"{whose}no api_key, which {_host(target.endpoint)} requires"
    for secret in _secrets(target):
        try:
            secret.read()
        except SecretError as error:
            yield f"{whose}{error}"
    for file in filter(None, (target.tls.ca_file, target.tls.cert_file, target.tls.key_file)):
        yield from (f"{whose}{why}" for why in _unreadable(file))
    try:
        proxy_for(target.endpoint)
    except NetworkFailure as error:
        yield f"{whose}{error}"


def _lacks_key(target: Target) -> bool:
    """Whether a target of a provider's public API has no credentials."""
    if target.api_key or not isinstance(target.row.credentials, KeyAlone):
        return False
    if not SECRET_HEADERS.isdisjoint(name.lower() for name in target.headers):
        return False
    public = target.public_endpoint
    return public is not None and _host(target.endpoint) == _host(public)


def _host(url: str) -> str | None:
    return urlsplit(url).hostname


def _secrets(target: Target) -> Iterable[Secret]:
    values = (target.api_key, *target.headers.values())
    return (value for value in values if isinstance(value, Secret))


def _unreadable(file: Path) -> Iterator[str]:
    try:
        check_regular(file)
    except FileNotFoundError:
        yield f"there is no file {file}"
    except OSError as error:
        yield f"{file} cannot be read: {error.strerror}"
