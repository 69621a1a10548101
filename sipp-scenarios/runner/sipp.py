"""One SIPp process: its command line, whether it listens yet, how it ended and what it counted."""

import csv
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .plan import ROLES, SIP_PORT, Actor

#: Columns of SIPp's -trace_stat file, cumulative over the run.
SUCCESSFUL, FAILED, RETRANSMISSIONS = "SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)"
LISTEN_WAIT_S = 5.0
#: How long SIPp may take over calls still up after it has been asked to stop.
STOP_GRACE_S = 3.0
#: What SIPp writes when its own loop was kept from the processor for half a second.
STOOD_STILL = re.compile(r"the (minor|major) watchdog timer \d+ms has been tripped")
EXCERPT_LINES = 12
EXCERPT_CHARS = 3000


class ActorError(Exception):
    """An actor that could not be started."""


@dataclass(frozen=True)
class Place:
    """What a combination decides for an actor: transport, proxy, and a mark that makes its Call-IDs unique."""

    transport: str
    proxy: str
    mark: str


@dataclass(frozen=True)
class Report:
    """How an actor ended. Times in milliseconds; `counts` is empty when SIPp wrote none."""

    exit: int
    counts: dict[str, int]
    setups_ms: list[float]
    stood_still: bool
    excerpt: str


class Sipp:
    """A SIPp process in its own log folder."""

    def __init__(self, actor: Actor, place: Place, parts: Path, logs: Path, timeout: float):
        self.actor = actor
        self.logs = logs
        self.address, self.port = ROLES[actor.role]
        self.transport = actor.transport or place.transport
        logs.mkdir(parents=True, exist_ok=True)
        self.command = self.command_line(place, parts, timeout)
        self.process: subprocess.Popen | None = None
        self.deadline = time.monotonic() + timeout + 2

    def command_line(self, place: Place, parts: Path, timeout: float) -> list[str]:
        """The whole of it, so that a log folder's `command` can be run again by hand."""
        actor = self.actor
        line = [
            "sipp", f"{place.proxy}:{SIP_PORT}", "-sf", str(actor.file), "-t", "t1" if self.transport == "tcp" else "u1",
            "-i", self.address, "-p", str(self.port), "-bind_local", "-m", str(actor.count), "-nostdin",
            "-key", "dn", actor.dn or "none", "-key", "contact", f"{self.address}:{self.port}",
            "-cid_str", f"{actor.name}-%u-{place.mark}@%s",
            "-timeout", f"{timeout:g}", "-timeout_error",
            "-trace_err", "-error_file", "errors.log", "-trace_msg", "-message_file", "messages.log",
            "-trace_stat", "-stf", "stat.csv", "-fd", "1",
        ]  # fmt: skip
        line += ["-key", "q", f";q={actor.q}" if actor.q else ""]
        if actor.dn:
            line += ["-au", actor.dn, "-ap", actor.password]
        if actor.calls_number:
            line += ["-s", actor.calls_number, "-auth_uri", f"{actor.calls_number}@{place.proxy}:{SIP_PORT}"]
        if actor.role == "sbc" and not actor.listens:
            # the cluster asks a trunk for signs of life while the trunk places calls
            line += ["-oocsf", str(parts / "options.xml")]
        if self.times_setup():
            line += ["-trace_rtt", "-rtt_freq", "1"]
        if actor.count > 10:
            # a message log of thousands of calls costs more than the calls
            at = line.index("-trace_msg")
            del line[at : at + 3]
        return line + list(actor.args)

    def times_setup(self) -> bool:
        """True when the expectations speak of setup times."""
        return "setup_max_ms" in self.actor.expect or "setups" in self.actor.expect

    def start(self) -> None:
        """Starts it and, for one that listens, returns when its socket is bound."""
        (self.logs / "command").write_text(" ".join(self.command) + "\n", encoding="utf-8")
        with open(self.logs / "screen.log", "wb") as screen:
            self.process = subprocess.Popen(
                self.command, cwd=self.logs, stdin=subprocess.DEVNULL, stdout=screen, stderr=screen
            )
        if self.actor.listens:
            self.wait_bound()

    def wait_bound(self) -> None:
        """Waits for the socket in the kernel's table; raises ActorError."""
        until = time.monotonic() + LISTEN_WAIT_S
        while not bound(self.address, self.port, self.transport):
            if self.process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise ActorError(f"{self.actor.name} does not listen at {self.address}:{self.port}: {self.excerpt()}")
            time.sleep(0.02)

    def ask_to_stop(self) -> None:
        """Soft exit: no new calls, those that are up may end, then the rest is cut."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)
            self.deadline = min(self.deadline, time.monotonic() + STOP_GRACE_S)

    def finish(self) -> Report:
        """Waits for the end, at most until the deadline, and reads what SIPp left behind."""
        try:
            code = self.process.wait(timeout=max(0.1, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
            code = self.process.wait()
        return Report(code, self.counts(), self.setups(), self.stood_still(), self.excerpt())

    def kill(self) -> None:
        """Ends it at once, if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def counts(self) -> dict[str, int]:
        """The last line of SIPp's statistics."""
        try:
            rows = list(csv.reader((self.logs / "stat.csv").read_text("utf-8", "replace").splitlines(), delimiter=";"))
        except OSError:
            return {}
        if len(rows) < 2:
            return {}
        last = dict(zip(rows[0], rows[-1]))
        wanted = {"successful": SUCCESSFUL, "failed": FAILED, "retransmissions": RETRANSMISSIONS}
        return {name: int(last[column]) for name, column in wanted.items() if last.get(column, "").isdigit()}

    def setups(self) -> list[float]:
        """Every time that the scenario's `setup` timer took, in milliseconds; SIPp writes them to the working folder."""
        times = []
        for path in self.logs.glob("*_rtt.csv"):
            for row in csv.reader(path.read_text("utf-8", "replace").splitlines()[1:], delimiter=";"):
                if len(row) >= 2:
                    times.append(float(row[1]))
        return times

    def stood_still(self) -> bool:
        """True when SIPp was not given the processor: the times that it took are the machine's then."""
        path = self.logs / "errors.log"
        return path.is_file() and STOOD_STILL.search(path.read_text("utf-8", "replace")) is not None

    def excerpt(self) -> str:
        """The beginning of SIPp's error log, or the end of its screen when there is none."""
        for name, part in (("errors.log", slice(0, EXCERPT_LINES)), ("screen.log", slice(-EXCERPT_LINES, None))):
            path = self.logs / name
            if path.is_file():
                lines = [line.rstrip() for line in path.read_text("utf-8", "replace").splitlines() if line.strip()]
                if lines:
                    return "\n".join(lines[part])[:EXCERPT_CHARS]
        return "(no log)"


def bound(address: str, port: int, transport: str) -> bool:
    """True when the kernel lists a socket bound (UDP) or listening (TCP) at that address."""
    octets = [int(part) for part in address.split(".")]
    local = "".join(f"{octet:02X}" for octet in reversed(octets)) + f":{port:04X}"
    with open(f"/proc/net/{transport}", encoding="ascii") as table:
        for line in table.readlines()[1:]:
            columns = line.split()
            if columns[1] == local and (transport == "udp" or columns[3] == "0A"):
                return True
    return False
