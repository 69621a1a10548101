"""Servers on one core, `sipcluster load` on another, and what it tells: what `run` here and in ../growth share."""

import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BINARY = pathlib.Path(os.environ.get("SIPCLUSTER_BINARY", HERE / "../../target/release/sipcluster")).resolve()
KEY = "a-key-for-measurements-on-loopback-only"
SERVER_CORE, LOAD_CORE = "0", "1"
PHONES, CALLER, PROXY, NODE = "127.0.0.12:5062", "127.0.0.1:5080", "127.0.0.1:5060", "127.0.0.1:5070"
# Transactions of UDP live this long: RFC 3261 17, 64 × T1.
TRANSACTION_S = 32
START_S, STOP_S, LOAD_S = 60, 20, 900


class Failed(Exception):
    """A server or a load that gives no figures."""


def enter_namespace():
    """Starts this program again in a network of its own, where that is allowed."""
    if not BINARY.exists():
        sys.exit(f"no {BINARY}: cargo build --release")
    # A SIGTERM ends servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if "BENCH_NAMESPACE" in os.environ:
        return
    if subprocess.run(["unshare", "-n", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        os.environ["BENCH_NAMESPACE"] = "own"
        inner = 'ip link set lo up && exec "$0" "$@"'
        os.execvp("unshare", ["unshare", "-n", "bash", "-c", inner, sys.executable, *sys.argv])


def number(name, default):
    """A size that the environment may set."""
    text = os.environ.get(name, str(default))
    if not text.isdigit() or not int(text):
        sys.exit(f"{name} is {text} and no number")
    return int(text)


def say(text):
    print(text, file=sys.stderr, flush=True)


def is_bound(address):
    """Whether somebody has this UDP port."""
    host, port = address.split(":")
    wanted = "".join(f"{int(part):02X}" for part in reversed(host.split("."))) + f":{int(port):04X}"
    with open("/proc/net/udp", encoding="ascii") as sockets:
        return any(line.split()[1] == wanted for line in sockets)


class Bench:
    """A folder for logs, and the servers that run."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
        self.servers = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, command, address, settle=0.5):
        """Starts a server and waits until it has its UDP port, and `settle` seconds."""
        log = self.folder / "server"
        environment = {**os.environ, "BENCH_KEY": KEY}
        with open(log, "wb") as output:
            command = ["taskset", "-c", SERVER_CORE, *map(str, command)]
            server = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self.servers.append(server)
        until = time.monotonic() + START_S
        while not is_bound(address):
            if server.poll() is not None or time.monotonic() > until:
                raise Failed(f"{command[3]} does not run: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.05)
        time.sleep(settle)
        return server

    def stop(self):
        """Ends the servers, the last one first."""
        for server in reversed(self.servers):
            server.terminate()
            try:
                server.wait(STOP_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        self.servers.clear()

    def cluster(self, configuration, *applications):
        """Applications of a configuration in one process. Behind the port they need the time to find each other."""
        first = {"Proxy": PROXY, "Registrar": "127.0.0.2:5070"}.get(applications[-1], NODE)
        return self.start([BINARY, "run", configuration, *(f"--app={name}" for name in applications)], first, settle=2.5)

    def load(self, *arguments, measured=None):
        """A load, and what it tells of it; the measured servers are all, unless named."""
        command = ["taskset", "-c", LOAD_CORE, str(BINARY), "--json", "load", *map(str, arguments)]
        for server in self.servers if measured is None else measured:
            command += ["--pid", str(server.pid)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_S, check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise Failed(f"load tells nothing: {done.stderr.strip()}") from None


def figures(told):
    """The figures of a load: µs of CPU for each unit, bytes for each that stays, µs from INVITE to 180, how many failed."""
    ringing = told["latencies"].get("INVITE to 180", {})
    return {
        "cpu": sum(process["cpu_us_per_unit"] for process in told["processes"]),
        "bytes": sum(process["memory_each"] or 0 for process in told["processes"]),
        "resident": sum(process["memory_after"] for process in told["processes"]),
        "p50": ringing.get("p50_us"),
        "p99": ringing.get("p99_us"),
        "failed": told["units"]["failed"] + max(told["units"]["open"] - told["standing"], 0),
        "rate": told["rate"],
    }


def seal(hop):
    """X-Genesys-Route as node 1 seals it now, so that the generator can be that node for a minute."""
    text = f"node=1;time={int(time.time())};hop={hop}"
    key = hashlib.sha256(b"sipcluster text\0" + KEY.encode()).digest()
    mark = hmac.new(key, text.encode(), "sha256").hexdigest()[:32]
    return f"X-Genesys-Route: {text};seal={mark}"


def machine():
    """Processor and kernel, in a few words."""
    with open("/proc/cpuinfo", encoding="utf-8") as told:
        model = re.search(r"model name\s*: (.*)", told.read())
    return f"{model[1] if model else os.uname().machine}, Linux {os.uname().release}"
