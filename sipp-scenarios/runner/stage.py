"""Plays one scenario in one combination of transport and proxy, and collects everything that is wrong."""

import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from .cluster import Cluster, ClusterError
from .plan import PROXIES, Actor, Bound, Fault, Pause, Scenario
from .sipp import ActorError, Place, Report, Sipp
from .trunk import TrunkKeepAlive

#: A binding accepted by one proxy is known to the other within this time.
SHARED_BINDING_S = 0.3
#: A call may outlive its last message by the time its node takes to settle it.
CALLS_GONE_S = 5.0
REGISTER_TIMEOUT_S = 8.0
#: What a machine that stands still changes, and nothing else.
OF_TIME = {"setup_max_ms", "retransmissions"}


@dataclass(frozen=True)
class Combination:
    """Transport of the phones, and the proxy (1 or 2) through which the scenario enters."""

    transport: str
    via: int

    def place(self, actor: Actor, which: str) -> Place:
        """The proxy that `which` (entry or other) means here."""
        number = self.via if which == "entry" else 3 - self.via
        return Place(actor.transport or self.transport, PROXIES[number], secrets.token_hex(6))

    def __str__(self) -> str:
        return f"{self.transport} via {PROXIES[self.via]}"


class Stage:
    """One run of one scenario."""

    def __init__(self, scenario: Scenario, combination: Combination, cluster: Cluster, trunk: TrunkKeepAlive,
                 parts: Path, logs: Path):  # fmt: skip
        self.scenario = scenario
        self.combination = combination
        self.cluster = cluster
        self.trunk = trunk
        self.parts = parts
        self.logs = logs
        self.waiting: list[Sipp] = []
        self.problems: list[str] = []
        self.saw: list[str] = []
        self.of_time = 0
        self.stood_still = False
        self.registered: list[Actor] = []
        self.killed: set[str] = set()
        self.known_calls: set[str] = set()
        self.number = 0

    def play(self) -> list[str]:
        """All steps, then the tidying, then the cluster's own state. An empty list is a pass."""
        try:
            before = self.cluster.counters()
            # what an earlier scenario left behind is not this one's fault
            self.known_calls = {call.get("uuid") for call in self.cluster.calls()}
            self.register_all()
            for step in self.scenario.steps:
                if self.problems:
                    break
                self.take(step)
            self.finish_background()
        except (ActorError, ClusterError, OSError) as error:
            self.problems.append(str(error))
            before = None
        finally:
            self.tidy()
        if before is not None:
            self.check_cluster(before)
        return self.problems and self.problems + self.saw

    def register_all(self) -> None:
        """Phones whose actor says `registered` are registered before the first step."""
        for step in self.scenario.steps:
            known = [(one.dn, one.role) for one in self.registered]
            if isinstance(step, Actor) and step.forget and (step.dn, step.role) not in known:
                self.registered.append(step)
                if step.registered:
                    self.registration(step, "register.xml", step.registered)
        if self.registered:
            time.sleep(SHARED_BINDING_S)

    def registration(self, actor: Actor, file: str, which: str) -> None:
        """Runs a part of the folder `parts` at the actor's own address."""
        name = Path(file).stem
        part = Actor(
            name=f"{actor.name}-{name}", file=self.parts / file, role=actor.role, dn=actor.dn,
            password=f"secret-{actor.dn}", proxy=which, transport=actor.transport, q=actor.q,
            expect={"exit": Bound(0, 0)},
        )  # fmt: skip
        self.judge(part, self.run(part, REGISTER_TIMEOUT_S))

    def take(self, step: Actor | Fault | Pause) -> None:
        """One step of the scenario."""
        match step:
            case Pause(seconds):
                time.sleep(seconds)
            case Fault("kill", app):
                numbers = {"entry": self.combination.via, "other": 3 - self.combination.via}
                app = f"SIPProxy_dc1_{numbers[app]}" if app in numbers else app
                self.killed.add(app)
                self.cluster.kill(app)
            case Fault("stop", _):
                self.killed.update(self.cluster.names())
                self.cluster.stop()
            case Fault():
                self.cluster.restore()
            case Actor() if step.background:
                self.waiting.append(self.started(step, self.scenario.timeout))
            case Actor():
                self.judge(step, self.run(step, self.scenario.timeout))

    def started(self, actor: Actor, timeout: float) -> Sipp:
        """Starts the actor, once the trunk's port is free for an SBC."""
        if actor.role == "sbc":
            self.trunk.close()
        self.number += 1
        place = self.combination.place(actor, actor.proxy)
        sipp = Sipp(actor, place, self.parts, self.logs / f"{self.number:02}-{actor.name}", timeout)
        try:
            sipp.start()
        except BaseException:
            sipp.kill()
            raise
        return sipp

    def run(self, actor: Actor, timeout: float) -> Report:
        """Starts the actor and waits for its end."""
        sipp = self.started(actor, timeout)
        try:
            return sipp.finish()
        finally:
            sipp.kill()

    def finish_background(self) -> None:
        """Waits for the actors in the background. When something is wrong already, they are only ended: but not over
        times alone, for calls that they leave half done would be sent to who plays next."""
        if self.problems and not self.only_times():
            for sipp in self.waiting:
                sipp.kill()
                self.stood_still |= sipp.stood_still()
                self.saw.append(f"{sipp.actor.name} saw:\n{sipp.excerpt()}")
            return
        for sipp in self.waiting:
            if sipp.actor.stop:
                sipp.ask_to_stop()
            self.judge(sipp.actor, sipp.finish())

    def judge(self, actor: Actor, report: Report) -> None:
        """Compares what an actor counted with what is expected of it."""
        self.stood_still |= report.stood_still
        seen = {"exit": report.exit, **report.counts}
        if "setup_max_ms" in actor.expect or "setups" in actor.expect:
            seen["setups"] = len(report.setups_ms)
            seen["setup_max_ms"] = max(report.setups_ms, default=float("inf"))
        wrong = {}
        for key, wanted in actor.expect.items():
            if key not in seen:
                wrong[key] = f"{key} not counted"
            elif not wanted.holds(seen[key]):
                wrong[key] = f"{key} {seen[key]:g}, expected {wanted}"
        if wrong:
            self.of_time += wrong.keys() <= OF_TIME
            self.problems.append(f"{actor.name}: {'; '.join(wrong.values())}\n{report.excerpt}")

    def only_times(self) -> bool:
        """True when something is wrong, and all of it are times."""
        return 0 < self.of_time == len(self.problems)

    def says_nothing(self) -> bool:
        """True when something is wrong, and a SIPp was kept from the processor meanwhile: it misses its times, and takes
        an INVITE that is sent again for one that does not belong there."""
        return self.stood_still and bool(self.problems)

    def tidy(self) -> None:
        """Nothing of this scenario is left: actors, bindings, killed processes, the trunk's port."""
        for sipp in self.waiting:
            sipp.kill()
        try:
            if self.killed:
                self.cluster.restore()
            for actor in self.registered:
                self.registration(actor, "unregister.xml", actor.registered or "entry")
            self.trunk.open()
        except (ActorError, ClusterError, OSError) as error:
            self.problems.append(str(error))

    def check_cluster(self, before: dict[str, float]) -> None:
        """No process has ended, no call is left, no turn has panicked, the metrics rose as expected."""
        self.problems += self.cluster.ended()
        try:
            self.check_calls()
            after = self.cluster.counters()
        except (ClusterError, ValueError) as error:
            self.problems.append(str(error))
            return
        rises = {key: value - before.get(key, 0.0) for key, value in after.items()}
        for app in self.killed:
            # a process that has been started again counts from zero
            rises.update({key: value for key, value in after.items() if key.startswith(app + " ")})
        for key, rise in rises.items():
            if "panic" in key and rise > 0:
                self.problems.append(f"{key} rose by {rise:g}")
        for metric in self.scenario.metrics:
            named = re.compile(rf"^\S+ {re.escape(metric.name)}(\{{|$)")
            found = [rise for key, rise in rises.items() if named.match(key) and metric.labels in key]
            if not found:
                self.problems.append(f"no metric {metric.name}{{{metric.labels}}}")
            elif not metric.rise.holds(sum(found)):
                self.problems.append(f"{metric.name}{{{metric.labels}}} rose by {sum(found):g}, expected {metric.rise}")

    def check_calls(self) -> None:
        """Polls until no node holds a call of this scenario."""
        until = time.monotonic() + CALLS_GONE_S
        while left := [call for call in self.cluster.calls() if call.get("uuid") not in self.known_calls]:
            if time.monotonic() > until:
                self.problems.append(f"{len(left)} calls left, first {str(left[0])[:300]}")
                return
            time.sleep(0.05)
