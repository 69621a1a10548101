"""The cluster under test: its processes, whether they are ready, and what they say over HTTP."""

import json
import os
import re
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

READY_WAIT_S = 15.0
HTTP_TIMEOUT_S = 2.0
TAIL_LINES = 30
#: HTTP ports of the applications when each runs in its own process, proxies after the nodes they look for.
APPLICATIONS = {
    "SIPS_dc1_1": "127.0.0.1:8081",
    "SIPS_dc1_2": "127.0.0.2:8082",
    "SIPProxy_dc1_1": "127.0.0.1:8091",
    "SIPProxy_dc1_2": "127.0.0.2:8092",
}
NODES = ("SIPS_dc1_1", "SIPS_dc1_2")
SINGLE_HTTP = "127.0.0.1:8080"
SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? ([0-9.eE+-]+)( [0-9]+)?$")


class ClusterError(Exception):
    """The cluster did not start, or does not answer."""


class Cluster:
    """All processes of one configuration; or none of our own when somebody else started them."""

    def __init__(self, repo: Path, binary: Path, mode: str, logs: Path, owned: bool):
        self.repo = repo
        self.binary = binary
        self.mode = mode
        self.logs = logs
        self.owned = owned
        self.running: dict[str, subprocess.Popen] = {}
        self.environment = dict(os.environ, SIPCLUSTER_CLUSTER_KEY=secrets.token_hex(32))

    def names(self) -> list[str]:
        """The processes: one per application, or one for all of them."""
        return list(APPLICATIONS) if self.mode == "processes" else ["cluster"]

    def http(self, name: str) -> str:
        """HTTP address of one process: its own host and port."""
        return APPLICATIONS.get(name, SINGLE_HTTP)

    def start(self) -> None:
        """Starts every process and waits until all are ready; raises ClusterError."""
        if self.owned:
            if not self.binary.is_file():
                raise ClusterError(f"no binary at {self.binary}: cargo build --release")
            for name in self.names():
                if listening(self.http(name)):
                    raise ClusterError(f"something answers on {self.http(name)} already: stop it or use --no-start")
            for name in self.names():
                self.launch(name)
        for name in self.names():
            self.wait_ready(name)

    def launch(self, name: str) -> None:
        """Starts one process; its output goes to its log."""
        self.logs.mkdir(parents=True, exist_ok=True)
        command = [str(self.binary), "run", str(self.config())]
        if self.mode == "processes":
            command += ["--app", name]
        with open(self.logs / f"{name}.log", "ab") as log:
            self.running[name] = subprocess.Popen(
                command, cwd=self.logs, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def config(self) -> Path:
        """The configuration of this mode; that of sockets is the quickstart's with one line more."""
        if self.mode == "processes":
            return self.repo / "config/processes.yaml"
        quickstart = self.repo / "config/quickstart.yaml"
        if self.mode == "single":
            return quickstart
        generated = self.logs / "sockets.yaml"
        generated.write_text("local-handover: false\n" + quickstart.read_text("utf-8"), "utf-8")
        return generated

    def wait_ready(self, name: str) -> None:
        """Polls /readyz; raises ClusterError when the process ends or takes too long."""
        until = time.monotonic() + READY_WAIT_S
        answer = "no answer"
        while time.monotonic() < until:
            process = self.running.get(name)
            if process is not None and process.poll() is not None:
                raise ClusterError(f"{name} ended with {process.returncode}\n{self.tail()}")
            try:
                self.get(name, "/readyz")
                return
            except ClusterError as error:
                answer = str(error)
            time.sleep(0.1)
        raise ClusterError(f"{name} is not ready after {READY_WAIT_S:g} s: {answer}\n{self.tail()}")

    def kill(self, name: str) -> None:
        """Ends one process with SIGKILL: it says goodbye to nobody."""
        if name not in self.running:
            raise ClusterError(f"{name} is not a process of this runner")
        self.running[name].kill()
        self.running[name].wait()

    def restore(self) -> None:
        """Starts again whatever has ended, and waits for it."""
        ended = [name for name, process in self.running.items() if process.poll() is not None]
        for name in ended:
            self.launch(name)
        for name in ended:
            self.wait_ready(name)

    def restart(self) -> None:
        """Ends what is ours and starts it again."""
        self.stop()
        self.restore()

    def stop(self) -> None:
        """Ends every process: asked first, killed when that takes too long."""
        for process in self.running.values():
            if process.poll() is None:
                process.terminate()
        until = time.monotonic() + 5
        for process in self.running.values():
            try:
                process.wait(timeout=max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ended(self) -> list[str]:
        """Processes that have ended although nobody asked them to."""
        return [f"{name} ended with {one.returncode}" for name, one in self.running.items() if one.poll() is not None]

    def get(self, name: str, path: str) -> str:
        """Body of a 200; raises ClusterError for anything else."""
        url = f"http://{self.http(name)}{path}"
        try:
            with urllib.request.urlopen(url, timeout=HTTP_TIMEOUT_S) as answer:
                return answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            raise ClusterError(f"{url}: {error.code} {error.read(300).decode('utf-8', 'replace')}") from error
        except (OSError, urllib.error.URLError) as error:
            raise ClusterError(f"{url}: {error}") from error

    def calls(self) -> list:
        """Calls that any node still holds."""
        found = []
        for name in NODES if self.mode == "processes" else self.names():
            body = json.loads(self.get(name, "/api/v1/calls"))
            if not isinstance(body, dict) or not isinstance(body.get("calls"), list):
                raise ClusterError(f"{name}: /api/v1/calls has no list of calls: {body!r}")
            found += body["calls"]
        return found

    def counters(self) -> dict[str, float]:
        """Every sample of every process's /metrics, `process name{labels}` to value."""
        samples = {}
        for name in self.names():
            for line in self.get(name, "/metrics").splitlines():
                if found := SAMPLE.match(line):
                    samples[f"{name} {found[1]}{found[2] or ''}"] = float(found[3])
        return samples

    def tail(self) -> str:
        """The end of each process's log."""
        parts = []
        for name in self.running:
            path = self.logs / f"{name}.log"
            if path.is_file():
                lines = path.read_text("utf-8", "replace").splitlines()[-TAIL_LINES:]
                parts += [f"--- {name}", *lines]
        return "\n".join(parts)


def listening(http: str) -> bool:
    """True when something answers HTTP, well or badly, at that address."""
    try:
        with urllib.request.urlopen(f"http://{http}/livez", timeout=HTTP_TIMEOUT_S):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
