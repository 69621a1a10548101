"""How much memory a node has for each DN: one that is configured, and one that it owns as well."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from bench import Bench, Failed, number
from nodes import NOWHERE, OWNER, Table, configuration, connect, exchange, registrations, resident, some_dns, start

DNS, FEW = number("MEMORY_DNS", 100_000), 1_000
FIRST = 1_000_000
#: What is of use for a moment is freed by then.
SETTLE_S = 2.0
#: The allocator gives back at once what is freed. Otherwise what reading the configuration took, and freed, is resident
#: for as long as nothing else needs it, and is what the first owned DNs are put into.
AT_ONCE = ("MIMALLOC_PURGE_DELAY", "0")


@contextmanager
def giving_back() -> Iterator[None]:
    """Servers that start here give memory back at once."""
    name, value = AT_ONCE
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def written(count: int) -> str:
    """A node with so many DNs that a desktop can bring in service."""
    return configuration([some_dns(FIRST, count, NOWHERE)], "TCport: 7011")


def configured(count: int) -> int:
    """Resident memory of a node that nobody has asked for anything."""
    with Bench() as here:
        return resident(start(here, written(count))[0])


def owned(count: int, spoken: ModuleType) -> tuple[int, int]:
    """The same, and when a client has brought all its DNs in service."""
    with Bench() as here:
        node = start(here, written(count))[0]
        before = resident(node)
        desktop = connect(spoken, 1, OWNER)
        try:
            exchange(desktop, registrations(desktop, range(FIRST, FIRST + count)), count)
            time.sleep(SETTLE_S)
            return before, resident(node)
        finally:
            desktop.close()


def measure(table: Table, spoken: ModuleType) -> None:
    """All of it: it does not vary from round to round."""
    if DNS <= FEW:
        raise Failed(f"MEMORY_DNS is {DNS}: it has to be more than {FEW}")
    table.add(f"node with {DNS:,} DNs as it starts", "MB", configured(DNS) / 1e6)
    with giving_back():
        few = configured(FEW)
        many, used = owned(DNS, spoken)
    table.add(f"node with {DNS:,} DNs, what is freed given back", "MB", many / 1e6)
    table.add(f"node with {FEW:,} DNs, what is freed given back", "MB", few / 1e6)
    table.add("DN that is configured", "bytes", (many - few) / (DNS - FEW))
    table.add("DN that is owned besides, its client and two kept events with it", "bytes", (used - many) / DNS)
