"""How long an event takes, from the SIP message that it tells of to a client's socket."""

import gc
import socket
import subprocess
import time
from types import ModuleType

from bench import Bench, Failed, number
from client import Client, Closed
from nodes import HERE, OWNER, Table, ask, configuration, connect, start, wait_for_owner
from phone import ADDRESS, PhoneError
from talk import DESCRIPTION, Talking

CALLS = number("LATENCY_CALLS", 1_000)
DN, PHONE_PORT, CALLER_PORT = 7001, 5999, 5900
#: From call to call, so that nothing of the last one is under way.
PAUSE_S = 0.002
EVENT_WAIT_S = 5.0
#: Ports of the floor, and the lengths of its datagrams and events: those of a 180 and of an EventRinging.
FLOOR = ("127.0.0.1", 5071)
FLOOR_TCP, MESSAGE_LEN, EVENT_LEN = 7015, 420, 140
RINGING, ESTABLISHED = "180 to EventRinging", "200 to EventEstablished"


class Stamped(socket.socket):
    """A socket that knows when it was about to send last."""

    at = 0

    def sendto(self, data: bytes, to: tuple[str, int]) -> int:
        """Notes the time and sends."""
        self.at = time.perf_counter_ns()
        return super().sendto(data, to)


class Party(Talking):
    """A phone that is called or calls, straight at node 1."""

    def __init__(self, dn: str, port: int):
        super().__init__(dn, port)
        self.socket = Stamped(fileno=self.socket.detach())
        self.proxy = ("127.0.0.1", 5070)


def arrival(client: Client, name: str) -> int:
    """When the bytes of the next event came; raises Failed where it is another one or none comes."""
    try:
        data = client.socket.recv(1 << 16)
        at = time.perf_counter_ns()
    except TimeoutError:
        raise Failed(f"no {name} within {EVENT_WAIT_S:.0f} s") from None
    client.buffer += data
    try:
        event = client.receive(0)
    except Closed as error:
        raise Failed(f"no {name}: {error}") from error
    if event is None or event.name != name:
        raise Failed(f"no {name} but {event}")
    client.socket.settimeout(EVENT_WAIT_S)
    return at


def one_call(caller: Party, called: Party, client: Client) -> tuple[int, int]:
    """Nanoseconds from 180 and from 200 to what the client hears of each."""
    caller.invite(called.dn)
    invite = called.expect("INVITE")
    called.respond(invite, 180)
    ringing = arrival(client, "EventRinging") - called.socket.at
    called.respond(invite, 200, DESCRIPTION)
    established = arrival(client, "EventEstablished") - called.socket.at
    caller.answered()
    called.expect("ACK")
    caller.bye()
    called.hung_up()
    arrival(client, "EventReleased")
    time.sleep(PAUSE_S)
    return ringing, established


def of_calls(client: Client) -> dict[str, list[int]]:
    """All calls of a round; raises Failed where one of them does not come about."""
    caller, called = Party("customer", CALLER_PORT), Party(str(DN), PHONE_PORT)
    client.socket.settimeout(EVENT_WAIT_S)
    gc.disable()
    try:
        times = [one_call(caller, called, client) for _ in range(CALLS)]
    except PhoneError as error:
        raise Failed(f"a call does not come about: {error}") from error
    finally:
        gc.enable()
        caller.close()
        called.close()
    return {RINGING: [pair[0] for pair in times], ESTABLISHED: [pair[1] for pair in times]}


def at_nodes(spoken: ModuleType, is_near: bool) -> dict[str, list[int]]:
    """Node 1 owns the DN and works the calls; the one client that hears of them is there, or at node 2."""
    dn = f'      - {{name: "{DN}", type: extension, options: {{contact: "sip:{DN}@{ADDRESS}:{PHONE_PORT}"}}}}'
    caller = f"{ADDRESS}:{CALLER_PORT}"
    with Bench() as here:
        start(here, configuration([dn], "TCport: 7011", 2, "sip-outbound-proxy: false", caller), 2)
        desktop = connect(spoken, 1, OWNER)
        ask(desktop, "TRegisterAddress", "EventRegistered", ThisDN=str(DN))
        desktop.wait("EventDNBackInService")
        reader = desktop
        if not is_near:
            ask(desktop, "TSetInputMask", "EventACK", InputMask=b"\0")
            reader = connect(spoken, 2, "monitor")
            wait_for_owner(reader, str(DN), 1)
            ask(reader, "TRegisterAddress", "EventRegistered", ThisDN=str(DN))
        reader.drain()
        try:
            return of_calls(reader)
        finally:
            desktop.close()
            reader.close()


def built(here: Bench) -> str:
    """The floor's program; raises Failed where it cannot be built."""
    program = here.folder / "echo"
    try:
        subprocess.run(["gcc", "-O2", "-o", program, HERE / "echo.c"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"echo.c cannot be built: {error}") from error
    return str(program)


def floor() -> list[int]:
    """Nanoseconds from a datagram to what echo.c sends for it."""
    with Bench() as here:
        host, port = FLOOR
        here.start([built(here), host, port, FLOOR_TCP, EVENT_LEN], f"{host}:{port}")
        sender = Stamped(socket.AF_INET, socket.SOCK_DGRAM)
        reader = socket.create_connection((host, FLOOR_TCP), timeout=EVENT_WAIT_S)
        times = []
        with sender, reader:
            gc.disable()
            for turn in range(3 * CALLS):
                sender.sendto(bytes(MESSAGE_LEN), FLOOR)
                reader.recv(1 << 16)
                past = time.perf_counter_ns() - sender.at
                # The first one stands for the INVITE: as in a call, the server has just worked when it gets the others.
                if turn % 3:
                    times.append(past)
                if turn % 3 == 2:
                    time.sleep(PAUSE_S)
            gc.enable()
        return times


def add(table: Table, name: str, times: list[int]) -> None:
    """The middle and the tail of a round."""
    ordered = sorted(times)
    for share in (50, 99):
        table.add(f"{name}, p{share}", "µs", ordered[len(ordered) * share // 100] / 1000)


def measure(table: Table, spoken: ModuleType) -> None:
    """A round."""
    add(table, "floor: datagram to echo.c to TCP", floor())
    for where, is_near in (("client at the owner", True), ("client at another node", False)):
        for name, times in at_nodes(spoken, is_near).items():
            add(table, f"{name}, {where}", times)
