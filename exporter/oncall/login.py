"""The exporter's basic authentication, as options give it."""

from __future__ import annotations

import os

import click

from exporter.settings.redaction import remember


def login_of(user: str | None, password_env: str | None) -> tuple[str, str] | None:
    """Name and password; ``None`` without a name."""
    return (user, secret_in(password_env)) if user else None


def secret_in(variable: str | None) -> str:
    """What a variable holds.

    :raises UsageError: nothing.
    """
    value = os.environ.get(variable or "", "")
    if not value:
        raise click.UsageError(f"the variable {variable or 'of --password-env'} is not set")
    remember(value)
    return value
