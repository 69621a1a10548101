"""What a scenario folder asks for: expect.toml read into typed steps, every unknown key refused."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

TRANSPORTS = ("udp", "tcp")
PROXIES = {1: "127.0.0.1", 2: "127.0.0.2"}
SIP_PORT = 5060
#: Where each role lives on loopback. The SBC's address is the one its trunk is configured with.
ROLES = {
    "caller": ("127.0.0.11", 5061),
    "callee": ("127.0.0.12", 5062),
    "second": ("127.0.0.13", 5063),
    "sbc": ("127.0.0.1", 5080),
}
#: One process; one process whose applications talk over real sockets; a process for each application.
MODES = ("single", "sockets", "processes")
#: What a `spread` scenario plays: in all modes together each combination of transport and proxy once.
SPREAD = {
    "single": (("udp", 1), ("tcp", 2)),
    "sockets": (("tcp", 1),),
    "processes": (("udp", 2),),
}


class PlanError(Exception):
    """An expect.toml that cannot be followed; the text names file and key."""


@dataclass(frozen=True)
class Bound:
    """An inclusive range; either end may be open."""

    low: float | None = None
    high: float | None = None

    def holds(self, value: float) -> bool:
        """True when `value` lies inside."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.low:g}" if self.low is not None else "anything"
        ends = []
        if self.low is not None:
            ends.append(f"at least {self.low:g}")
        if self.high is not None:
            ends.append(f"at most {self.high:g}")
        return " and ".join(ends)


@dataclass(frozen=True)
class Actor:
    """One SIPp process."""

    name: str
    file: Path
    role: str
    dn: str = ""
    calls_number: str = ""
    password: str = ""
    proxy: str = "entry"
    transport: str = ""
    listens: bool = False
    registered: str = ""
    q: str = ""
    forget: bool = False
    background: bool = False
    stop: bool = False
    count: int = 1
    args: tuple[str, ...] = ()
    expect: dict[str, Bound] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """Something done to the cluster: `kill` (as by the kernel, no farewell) of one application, `stop` of all of them by a
    signal, `restart` of what has ended. The application `entry` is the proxy by which the scenario enters, `other` the one by
    which it does not."""

    kind: str
    app: str


@dataclass(frozen=True)
class Pause:
    """Time that passes before the next step, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Metric:
    """How much a counter, summed over all processes and labels that contain `labels`, rises in the scenario."""

    name: str
    labels: str
    rise: Bound


@dataclass(frozen=True)
class Scenario:
    """One folder."""

    name: str
    title: str
    modes: tuple[str, ...]
    transports: tuple[str, ...]
    via: tuple[int, ...]
    spread: bool
    timeout: float
    steps: tuple[Actor | Fault | Pause, ...]
    metrics: tuple[Metric, ...]


#: What an actor's `expect` may name, and what holds when it does not: [calls] stands for the number of calls.
EXPECTATIONS = ("exit", "successful", "failed", "retransmissions", "setup_max_ms", "setups")
ACTOR_KEYS = {
    "actor", "file", "role", "dn", "to", "password", "proxy", "transport", "listens", "registered", "q", "forget",
    "background", "stop", "calls", "args", "expect",
}
SCENARIO_KEYS = {"title", "modes", "transports", "via", "spread", "timeout", "step", "metric"}


def discover(root: Path) -> list[Scenario]:
    """All scenarios of `root` in the order of their numbers."""
    return [load(root, path.parent) for path in sorted(root.glob("[0-9][0-9]-*/expect.toml"))]


def load(root: Path, folder: Path) -> Scenario:
    """Reads one folder's expect.toml; raises PlanError."""
    path = folder / "expect.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{path}: {error}") from error
    try:
        refuse_unknown(table, SCENARIO_KEYS, "scenario")
        return Scenario(
            name=folder.name,
            title=table["title"],
            modes=choice(table.get("modes", MODES), MODES, "modes"),
            transports=choice(table.get("transports", TRANSPORTS), TRANSPORTS, "transports"),
            via=choice(table.get("via", tuple(PROXIES)), tuple(PROXIES), "via"),
            spread=table.get("spread", False),
            timeout=float(table.get("timeout", 12)),
            steps=tuple(step(root, folder, entry) for entry in table["step"]),
            metrics=tuple(
                Metric(entry["name"], entry.get("labels", ""), bound(entry["rise"])) for entry in table.get("metric", [])
            ),
        )
    except KeyError as error:
        raise PlanError(f"{path}: {error} is missing") from error
    except (PlanError, TypeError) as error:
        raise PlanError(f"{path}: {error}") from error


def step(root: Path, folder: Path, entry: dict) -> Actor | Fault | Pause:
    """One `[[step]]`: a fault, a pause or an actor."""
    if "actor" in entry:
        return actor(root, folder, entry)
    if len(entry) != 1:
        raise PlanError(f"a step without actor has one key, not {sorted(entry)}")
    kind, value = next(iter(entry.items()))
    if kind in ("kill", "stop", "restart"):
        return Fault(kind, value)
    if kind == "pause":
        return Pause(float(value))
    raise PlanError(f"unknown step {kind!r}")


def actor(root: Path, folder: Path, entry: dict) -> Actor:
    """A `[[step]]` that runs SIPp."""
    name = entry["actor"]
    refuse_unknown(entry, ACTOR_KEYS, name)
    file = folder / entry["file"]
    if not file.is_file():
        file = root / entry["file"]
    if not file.is_file():
        raise PlanError(f"{name}: no file {entry['file']}")
    role = entry.get("role", name)
    if role not in ROLES:
        raise PlanError(f"{name}: role {role!r} is none of {sorted(ROLES)}")
    for key in ("proxy", "registered"):
        if entry.get(key, "entry") not in ("entry", "other"):
            raise PlanError(f"{name}: {key} is entry or other")
    if entry.get("transport", "udp") not in TRANSPORTS:
        raise PlanError(f"{name}: transport is udp or tcp")
    dn = entry.get("dn", "")
    count = int(entry.get("calls", 1))
    return Actor(
        name=name,
        file=file,
        role=role,
        dn=dn,
        calls_number=entry.get("to", ""),
        password=entry.get("password", f"secret-{dn}"),
        proxy=entry.get("proxy", "entry"),
        transport=entry.get("transport", ""),
        listens=entry.get("listens", False),
        registered=entry.get("registered", ""),
        q=entry.get("q", ""),
        forget=entry.get("forget", False) or "registered" in entry,
        background=entry.get("background", False),
        stop=entry.get("stop", False),
        count=count,
        args=tuple(entry.get("args", ())),
        expect=expectations(name, entry.get("expect", {}), count),
    )


def expectations(name: str, table: dict, count: int) -> dict[str, Bound]:
    """The actor's expectations over the defaults: exit 0, every call successful, none failed."""
    refuse_unknown(table, set(EXPECTATIONS), f"{name}.expect")
    found = {"exit": bound(0), "successful": bound(count), "failed": bound(0)}
    found.update({key: bound(value) for key, value in table.items() if value != "any"})
    for key, value in table.items():
        if value == "any":
            found.pop(key, None)
    return found


def bound(value: float | dict) -> Bound:
    """`3` or `{min = 1, max = 5}`."""
    if isinstance(value, dict):
        refuse_unknown(value, {"min", "max"}, "range")
        return Bound(value.get("min"), value.get("max"))
    return Bound(value, value)


def choice(values: list | tuple, allowed: tuple, key: str) -> tuple:
    """`values` as a tuple, each one of `allowed`."""
    for value in values:
        if value not in allowed:
            raise PlanError(f"{key}: {value!r} is none of {allowed}")
    return tuple(values)


def refuse_unknown(table: dict, known: set[str], where: str) -> None:
    """Raises PlanError for a key nobody reads."""
    unknown = sorted(set(table) - known)
    if unknown:
        raise PlanError(f"{where}: unknown {', '.join(unknown)}")
