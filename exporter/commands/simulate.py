"""The command ``simulate``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import click

from exporter.commands.failing import fail
from exporter.commands.serving import listen_option
from exporter.config.web import Web
from exporter.demo import run_simulator
from exporter.simulator.faults import Fault
from exporter.simulator.named_faults import NAMED, fault_named


def _faults(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> Mapping[str, Fault]:
    faults = {}
    for text in given:
        model, equals, name = text.rpartition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is not MODEL=FAULT, such as hosted-large=429")
        try:
            faults[model] = fault_named(name)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return faults


@click.command()
@listen_option("127.0.0.1:9851")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    callback=_faults,
    metavar="MODEL=FAULT",
    help="Make every request to a model fail, repeatable. A fault is an HTTP status, or one of:"
    f" {', '.join(NAMED)}.",
)
def simulate(listen: str, faults: Mapping[str, Fault]) -> None:
    """Serve the simulated providers of the demo alone.

    Prints the provider, model, and base URL of each, for "inference-exporter probe" or for a
    configuration.
    """
    try:
        asyncio.run(run_simulator(*Web(listen=listen).host_and_port, faults))
    except KeyboardInterrupt:
        pass
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None
    except OSError as error:
        fail(error.strerror or error)
