"""The command ``mcp``."""

from __future__ import annotations

import click

from exporter.oncall.clients import ExporterApi, History
from exporter.oncall.login import login_of, secret_in


@click.command()
@click.option(
    "--exporter",
    "url",
    default="http://127.0.0.1:9850",
    show_default=True,
    metavar="URL",
    help="URL of the running exporter.",
)
@click.option("--user", metavar="NAME", help="User for the exporter's basic authentication.")
@click.option("--password-env", metavar="NAME", help="Environment variable with the password.")
@click.option(
    "--prometheus", metavar="URL", help="URL of its Prometheus, for what is usual and for compare."
)
@click.option(
    "--prometheus-token-env", metavar="NAME", help="Environment variable with a bearer token."
)
@click.option(
    "--allow-probe", is_flag=True, help="Let the agent probe targets, which costs tokens."
)
def mcp(
    url: str,
    user: str | None,
    password_env: str | None,
    prometheus: str | None,
    prometheus_token_env: str | None,
    allow_probe: bool,
) -> None:
    """Serve an on-call agent with the Model Context Protocol.

    It speaks over standard input and output, and reads what a running exporter and, if there is
    one, its Prometheus know. Without --allow-probe it changes nothing and spends nothing.
    """
    try:
        from exporter.oncall.server import build  # noqa: PLC0415 - needs what an extra installs
    except ImportError:
        raise click.UsageError("mcp needs: pip install 'inference-exporter[mcp]'") from None
    login = login_of(user, password_env)
    history = History(prometheus, prometheus_token_env) if prometheus else None
    if prometheus_token_env:
        secret_in(prometheus_token_env)
    build(ExporterApi(url, login), history, allow_probe=allow_probe).run("stdio")
