"""What T-Library adds to a back-to-back call of a node alone, as `benches/peers/run` measures it, by who hears it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import bench
from bench import CALLER, PHONES, PROXY, Bench, Failed, figures, number, say
from nodes import HERE, IPPORT, TCPORT, Table, configuration, on_own_core, some_dns, start

CALLS, IN_FLIGHT = number("CALLS", 20_000), number("IN_FLIGHT", 64)
FIRST, DNS = 100_000, 1_000
NUMBERS = ["--numbers", f"{FIRST}-{FIRST + DNS - 1}"]
DOMAIN = ["--domain", "bench.example", *NUMBERS, "--to", bench.NODE]
#: The node sends calls to the proxy: the called side is at its address.
CALL = ["call", "--bind", CALLER, *DOMAIN, "--trunk", "--uas", PROXY, "--outbound", "--hold", 2]
WITHOUT = "no T-Library port"
#: Name, ports, and what the reader is.
SETUPS = (
    (WITHOUT, "", ()),
    ("TCport, no client", f"TCport: {TCPORT}", ()),
    ("TCport, a client of all called DNs", f"TCport: {TCPORT}", ("monitor", FIRST, FIRST + DNS - 1)),
    ("IPport, a collector", f"IPport: {IPPORT}", ("collector",)),
)
#: Events of a call have at least so many bytes together; fewer have not come.
EVENTS_LEN_MIN = 300
END_S = 10


class Reader:
    """The process that reads, if there is one, and how many bytes it has read when the node has ended."""

    def __init__(self, process: subprocess.Popen | None):
        self.process = process

    def finish(self, calls: int) -> None:
        """Says what it has read of each call; raises Failed where that is too little."""
        if self.process is None:
            return
        try:
            told, _ = self.process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            raise Failed("the reader does not end with the node") from None
        each = int(told.strip() or 0) / calls
        say(f"the reader has read {each:.0f} bytes of each call")
        if each < EVENTS_LEN_MIN:
            raise Failed(f"the reader has read {each:.0f} bytes of each call: it does not hear of them")


@contextmanager
def reader(arguments: tuple[object, ...]) -> Iterator[Reader]:
    """A process that hears of the calls, beside the generator, when it is ready; raises Failed where it is not."""
    if not arguments:
        yield Reader(None)
        return
    command = on_own_core(sys.executable, HERE / "reader.py", *arguments)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline().strip() != "ready":
            raise Failed(f"{arguments[0]} is not ready")
        yield Reader(process)
    finally:
        process.kill()
        process.wait()


def one(ports: str, arguments: tuple[object, ...]) -> float:
    """CPU of the node for each call, in microseconds."""
    with Bench() as here:
        start(here, configuration([some_dns(FIRST, DNS, "*")], ports))
        # The node owns the DNs whose phones it has registered.
        told = here.load("register", "--bind", PHONES, *DOMAIN, "--in-flight", 16, measured=[])
        if told["units"]["failed"]:
            raise Failed(f"phones cannot register: {told['units']['failures']}")
        with reader(arguments) as hears:
            found = figures(here.load(*CALL, "--in-flight", IN_FLIGHT, "--count", CALLS))
            here.stop()
            hears.finish(CALLS)
    if found["failed"]:
        raise Failed(f"{found['failed']} of {CALLS} calls have failed")
    return found["cpu"]


def measure(table: Table, _: ModuleType) -> None:
    """A round."""
    for name, ports, arguments in SETUPS:
        table.add(name, "µs", one(ports, arguments))
    without = table.rows[WITHOUT]
    for row in table.rows.values():
        row.note = f"{row.median / without.median:.2f} × without T-Library" if row is not without else ""
