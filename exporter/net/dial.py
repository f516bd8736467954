"""TCP connections, opened in timed phases."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import time

import aiohappyeyeballs
import httpx

from exporter.net.exchange import Exchange
from exporter.net.failure import DnsError
from exporter.net.sockets import OutOfSockets, sockets
from exporter.net.tcp import TcpStream
from exporter.process.descriptors import are_used_up, is_shortage
from exporter.process.stamps import stamp_arrivals
from exporter.result import NANOSECONDS, ConnectionPhases
from exporter.settings.presentable import words_of
from exporter.settings.url import authority

_HAPPY_EYEBALLS_DELAY_SECONDS = 0.25  # RFC 8305 section 5


async def connect(host: str, port: int, exchange: Exchange) -> TcpStream:
    """Open a connection, and time DNS and TCP separately.

    :raises httpx.ConnectError: that fails. ``OutOfSockets`` if there is no file descriptor left.
    """
    sockets.check()
    started = time.monotonic_ns()
    addresses = await _resolve(host, port)
    resolved = time.monotonic_ns()
    sock = await _open_socket(host, port, addresses)
    connected = time.monotonic_ns()
    exchange.connection = ConnectionPhases(
        dns_seconds=None if _is_address(host) else (resolved - started) / NANOSECONDS,
        tcp_seconds=(connected - resolved) / NANOSECONDS,
    )
    return TcpStream(sock)


async def _resolve(host: str, port: int) -> list[aiohappyeyeballs.AddrInfoType]:
    try:
        loop = asyncio.get_running_loop()
        found: list[aiohappyeyeballs.AddrInfoType] = list(
            await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
    except (OSError, UnicodeError) as error:
        if are_used_up():
            raise OutOfSockets from error
        raise DnsError(f"{host} cannot be resolved: {words_of(error)}") from error
    if not found:
        raise DnsError(f"{host} has no address")
    return found


async def _open_socket(
    host: str, port: int, addresses: list[aiohappyeyeballs.AddrInfoType]
) -> socket.socket:
    try:
        sock = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_DELAY_SECONDS
        )
    except OSError as error:
        error.__traceback__ = None  # a frame of aiohappyeyeballs refers to the error: a cycle
        if is_shortage(error):
            raise OutOfSockets from error
        why = os.strerror(error.errno).lower() if error.errno else words_of(error)
        raise httpx.ConnectError(f"cannot connect to {authority(host, port)}: {why}") from error
    sockets.add(sock)
    stamp_arrivals(sock)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
