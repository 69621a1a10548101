"""What registration for many DNs costs: one client that sends all its requests before it reads the first answer."""

import subprocess
from types import ModuleType

from bench import Bench, number
from client import LENGTH, Client
from nodes import (
    NOWHERE, OWNER, Table, ask, configuration, connect, cpu_ns, exchange, registrations, some_dns, start,
    wait_for_owner,
)  # fmt: skip

DNS = number("DNS", 20_000)
#: DNs whose phones register and have not, and DNs that a desktop brings in service.
PHONES, DESKS = range(1_000_000, 1_000_000 + DNS), range(2_000_000, 2_000_000 + DNS)


class Round:
    """Two nodes with fresh processes."""

    def __init__(self, table: Table, servers: list[subprocess.Popen]):
        self.table = table
        self.servers = servers

    def time(self, name: str, client: Client, requests: bytes, shown: tuple[int, ...]) -> None:
        """Rows of one exchange: how long it took, and the CPU of the nodes that are shown."""
        before = [cpu_ns(server) for server in self.servers]
        seconds = exchange(client, requests, DNS)
        used = [cpu_ns(server) - past for server, past in zip(self.servers, before, strict=True)]
        self.table.add(f"{name}, all", "s", seconds)
        for node in shown:
            self.table.add(f"{name}, CPU of node {node}, each", "µs", used[node - 1] / 1000 / DNS)


def register_all(client: Client) -> bytes:
    """TRegisterAll, as bytes."""
    body = client.language.Frame(Request=client.next_request("TRegisterAll")).SerializeToString()
    return LENGTH.pack(len(body)) + body


def measure(table: Table, spoken: ModuleType) -> None:
    """A round."""
    dns = [some_dns(PHONES[0], DNS, "*"), some_dns(DESKS[0], DNS, NOWHERE)]
    clients = []
    with Bench() as here:
        turn = Round(table, start(here, configuration(dns, "TCport: 7011", 2), 2))
        try:
            monitor = connect(spoken, 1, "monitor")
            clients.append(monitor)
            turn.time(f"{DNS:,} DNs that nobody owns, at node 1", monitor, registrations(monitor, PHONES), (1,))
            desktop = connect(spoken, 1, OWNER)
            clients.append(desktop)
            turn.time(f"{DNS:,} DNs that come to be owned, at node 1", desktop, registrations(desktop, DESKS), (1, 2))
            again = connect(spoken, 1, "monitor")
            clients.append(again)
            turn.time(f"{DNS:,} DNs of node 1, at node 1", again, registrations(again, DESKS), (1,))
            far = connect(spoken, 2, "monitor")
            clients.append(far)
            wait_for_owner(far, str(DESKS[-1]), 1)
            turn.time(f"{DNS:,} DNs of node 1, at node 2", far, registrations(far, DESKS), (1, 2))
            smart = connect(spoken, 1, "smart", Capabilities=["CapabilitySmartClient"])
            clients.append(smart)
            turn.time(f"TRegisterAll, {DNS:,} DNs of node 1, at node 1", smart, register_all(smart), (1,))
        finally:
            for client in clients:
                client.close()
