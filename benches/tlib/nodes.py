"""What the measurements share: nodes with T-Library ports, clients of them, and what a server has used."""

import select
import statistics
import subprocess
import sys
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
sys.path[:0] = [str(REPO / "benches/peers"), str(REPO / "sip-tests/tlib")]

import bench  # noqa: E402
from bench import CALLER, LOAD_CORE, Bench, Failed, say  # noqa: E402
from client import LENGTH, Client, Closed, Event, Silence, load_language  # noqa: E402

TCPORT, IPPORT = 7011, 7012
#: Registration by this application brings a DN in service whose contact is not `*`.
OWNER = "desktop"
#: Nobody is behind it: DNs of measurements without calls.
NOWHERE = "sip:desk@127.0.0.20:5999"
READY_S, LINKED_S, ANSWER_S = 10.0, 20.0, 10.0
#: Ports are there when a node has its SIP port; T-Controllers need the time to find each other.
SETTLE_S = 2.5
#: What answers a pipeline has come when nothing has come for so long.
SILENCE_S = 0.5
RECEIVE_LEN = 1 << 20
CONFIGURATION = """\
cluster-key: ${{BENCH_KEY}}
threading: shared
switches:
  - name: Bench
    type: sip-switch
    domains: [bench.example]
    dns:
      - name: Bench_Cluster
        type: voip-service
        options:
          service-type: sip-cluster-nodes
          applications: [{names}]
          siproxy-applications: [Proxy]
          dn-owner-applications: [{owner}]
      - name: Bench_Proxy
        type: voip-service
        options: {{service-type: sip-outbound-proxy, oos-check: 10, oos-force: 2}}
      - {{name: Trunk, type: trunk, options: {{contact: "{caller}", geo-location: one, prefix: "9"}}}}
{dns}
applications:
{nodes}
  - name: Proxy
    role: sip-proxy
    node-id: 101
    switch: Bench
    geo-location: one
    host: 127.0.0.1
    ports: {{sip: 5060, cluster: 7104}}
"""
DNS = """      - {{name: "{first}-{last}", type: extension, options: {{contact: "{contact}"}}}}"""
NODE = """\
  - name: Node{number}
    role: node
    node-id: {number}
    switch: Bench
    geo-location: one
    host: 127.0.0.{number}
    ports: {{{ports}}}
    options: {{{options}}}
"""


@dataclass
class Row:
    """A figure: what it is, in what unit, a value for each round, and whatever else is to be read beside it."""

    name: str
    unit: str
    values: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def median(self) -> float:
        """Of all rounds."""
        return statistics.median(self.values)


class Table:
    """Rows in the order in which they were measured first; each round adds its values to them."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def add(self, name: str, unit: str, value: float) -> None:
        """The value of a round."""
        self.rows.setdefault(name, Row(name, unit)).values.append(value)
        say(f"{name}: {text(value)} {unit}")

    def print(self, heading: str) -> None:
        """Prints itself in Markdown."""
        print(f"| {heading} | unit | median | lowest to highest | |\n|---|---|---|---|---|")
        for row in self.rows.values():
            spread = f"{text(min(row.values))} to {text(max(row.values))}" if len(row.values) > 1 else ""
            print(f"| {row.name} | {row.unit} | {text(row.median)} | {spread} | {row.note} |")
        print(flush=True)


def text(value: float) -> str:
    """A figure with as many digits as anybody reads."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


# ---- nodes


def some_dns(first: int, count: int, contact: str) -> str:
    """A range of the configuration."""
    return DNS.format(first=first, last=first + count - 1, contact=contact)


def configuration(dns: list[str], ports: str = "", count: int = 1, options: str = "", caller: str = CALLER) -> str:
    """The file: so many nodes with these DNs, ports besides the usual ones, options, and a trunk to the caller."""
    ports = f"sip: 5070, cluster: 7014{ports and ', '}{ports}"
    numbers = range(1, count + 1)
    return CONFIGURATION.format(
        names=", ".join(f"Node{number}" for number in numbers), owner=OWNER, caller=caller, dns="\n".join(dns),
        nodes="".join(NODE.format(number=number, ports=ports, options=options) for number in numbers).rstrip("\n"),
    )  # fmt: skip


def start(here: Bench, written: str, count: int = 1) -> list[subprocess.Popen]:
    """Starts the nodes of a configuration, each in a process of its own, all on the servers' core."""
    file = here.folder / "cluster.yaml"
    file.write_text(written, "utf-8")
    servers = []
    for number in range(1, count + 1):
        command = [bench.BINARY, "run", file, f"--app=Node{number}"]
        servers.append(here.start(command, f"127.0.0.{number}:5070", settle=0))
    time.sleep(SETTLE_S)
    return servers


def cpu_ns(server: subprocess.Popen) -> int:
    """CPU time of a process's threads until now."""
    tasks = Path(f"/proc/{server.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks)


def resident(server: subprocess.Popen) -> int:
    """Bytes of resident memory."""
    lines = Path(f"/proc/{server.pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:")) * 1024


# ---- clients


def language() -> ModuleType:
    """The T-Library language; raises Failed where it cannot be had."""
    try:
        return load_language(REPO)
    except (OSError, subprocess.CalledProcessError, ImportError) as error:
        raise Failed(f"no language: {error}; it needs protoc and Python's protobuf") from error


def connect(spoken: ModuleType, node: int, application: str, port: int = TCPORT, **registration: object) -> Client:
    """A client of a node that has introduced itself; raises Failed where the node does not let it in."""
    until = time.monotonic() + READY_S
    while True:
        client = Client(spoken, ANSWER_S)
        try:
            answer = client.connect(f"127.0.0.{node}", port, application, **registration)
        except (OSError, Closed, Silence) as error:
            client.close()
            if time.monotonic() > until:
                raise Failed(f"{application} is not let in by node {node} at port {port}: {error}") from error
            time.sleep(0.1)
            continue
        if answer.name != "EventServerConnected":
            raise Failed(f"{application} is not let in by node {node} at port {port}: {answer}")
        return client


def ask(client: Client, kind: str, wanted: str, **attributes: object) -> Event:
    """The answer to a request; raises Failed where it is another than the one that is wanted."""
    try:
        answer = client.ask(kind, **attributes)
    except (Silence, Closed) as error:
        raise Failed(f"{kind} is not answered: {error}") from error
    if answer.name != wanted:
        raise Failed(f"{kind} is answered by {answer}")
    return answer


def wait_for_owner(client: Client, dn: str, node: int) -> None:
    """Until the client's node knows who owns a DN, which is who answers for it; raises Failed."""
    until = time.monotonic() + LINKED_S
    question = {"ThisDN": dn, "AddressInfoType": "AddressInfoDNStatus"}
    while ask(client, "TQueryAddress", "EventAddressInfo", **question).source != node:
        if time.monotonic() > until:
            raise Failed(f"the nodes do not agree within {LINKED_S:.0f} s that node {node} owns {dn}")
        time.sleep(0.1)


def registrations(client: Client, dns: range) -> bytes:
    """TRegisterAddress for each of them, as bytes."""
    frames = []
    for dn in dns:
        request = client.next_request("TRegisterAddress", ThisDN=str(dn))
        body = client.language.Frame(Request=request).SerializeToString()
        frames.append(LENGTH.pack(len(body)) + body)
    return b"".join(frames)


def exchange(client: Client, requests: bytes, wanted: int) -> float:
    """Sends requests without waiting, and returns the seconds until the last of so many EventRegistered was there.

    Only bytes are read meanwhile; they are looked at when nothing comes any more. Raises Failed.
    """
    left, chunks = memoryview(requests), []
    one = client.socket
    one.setblocking(False)
    began = time.perf_counter_ns()
    while True:
        readable, writable, _ = select.select([one], [one] if left else [], [], SILENCE_S)
        if readable:
            data = one.recv(RECEIVE_LEN)
            if not data:
                raise Failed("the node has ended the connection")
            chunks.append((time.perf_counter_ns(), data))
        if writable:
            left = left[one.send(left) :]
        if not (readable or writable):
            break
    return (last_registered(client, chunks, wanted) - began) / 1e9


def last_registered(client: Client, chunks: list[tuple[int, bytes]], wanted: int) -> int:
    """When the last EventRegistered arrived; raises Failed where there are more or fewer than are wanted."""
    data, ends, total = b"".join(chunk for _, chunk in chunks), [], 0
    for _, chunk in chunks:
        total += len(chunk)
        ends.append(total)
    types = client.language.DESCRIPTOR.enum_types_by_name["EventType"].values_by_name
    registered, refused = types["EventRegistered"].number, types["EventError"].number
    at = found = last = 0
    while at < len(data):
        end = at + LENGTH.size + LENGTH.unpack_from(data, at)[0]
        event = client.language.Frame.FromString(data[at + LENGTH.size : end]).Event
        if event.Type == refused:
            raise Failed(f"a request is refused: {event.Attributes.ErrorMessage}")
        if event.Type == registered:
            found, last = found + 1, end
        at = end
    if found != wanted or at != len(data):
        raise Failed(f"{found} of {wanted} EventRegistered have come")
    return chunks[bisect_left(ends, last)][0]


def on_own_core(*command: object) -> list[str]:
    """A command that runs beside the load, not beside the servers."""
    return ["taskset", "-c", LOAD_CORE, *map(str, command)]
