"""Reads the credentials for the exporter's basic authentication from command-line options."""

from __future__ import annotations

import os

import click

from exporter.settings.redaction import remember


def login_of(user: str | None, password_env: str | None) -> tuple[str, str] | None:
    """Name and password; ``None`` without a name."""
    return (user, secret_in(password_env)) if user else None


def secret_in(variable: str | None) -> str:
    """The value of an environment variable, which is redacted from now on.

    :raises UsageError: the variable is not set.
    """
    value = os.environ.get(variable or "", "")
    if not value:
        name = variable or "that --password-env must name"
        raise click.UsageError(f"the environment variable {name} is not set")
    remember(value)
    return value
