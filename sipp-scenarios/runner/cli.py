"""Command line of the runner."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from .cluster import Cluster, ClusterError
from .plan import PROXIES, SPREAD, TRANSPORTS, PlanError, Scenario, discover
from .stage import Combination, Stage
from .trunk import TrunkKeepAlive

ROOT = Path(__file__).resolve().parent.parent
MODE_NAMES = {"single": "one process", "sockets": "--sockets", "processes": "--processes"}
#: How often a scenario is played that fails while a SIPp was kept from the processor.
PLAYS = 3


def options(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line; argparse itself ends with 2 on a wrong one."""
    parser = argparse.ArgumentParser(prog="sipp-scenarios/run", description="SIPp scenarios against the cluster")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only scenarios whose name contains one of these")
    parser.add_argument("--transport", choices=TRANSPORTS, help="only this transport")
    parser.add_argument("--via", type=int, choices=sorted(PROXIES), help="only through this proxy")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--sockets", action="store_true", help="one process without the hand-over inside it (local-handover: false)")
    modes.add_argument("--processes", action="store_true", help="one process per application (config/processes.yaml)")
    parser.add_argument("--every", action="store_true", help="every transport and proxy for the spread scenarios too")
    binary = os.environ.get("SIPCLUSTER_BINARY", ROOT.parent / "target/release/sipcluster")
    parser.add_argument("--binary", type=Path, default=Path(binary), help="the program to test")
    parser.add_argument("--no-start", action="store_true", help="the cluster runs already")
    parser.add_argument("--list", action="store_true", help="print the scenarios and end")
    parser.add_argument("--keep", action="store_true", help="keep all logs and say where they are")
    return parser.parse_args(arguments)


def chosen(scenarios: list[Scenario], wanted: argparse.Namespace) -> list[Scenario]:
    """Those the names pick; all without a name."""
    return [one for one in scenarios if not wanted.names or any(name in one.name for name in wanted.names)]


def combinations(scenario: Scenario, wanted: argparse.Namespace, mode: str) -> list[Combination]:
    """Every transport and proxy that scenario, mode and command line allow."""
    every = [(transport, via) for transport in scenario.transports for via in scenario.via]
    if scenario.spread and not wanted.every:
        every = [one for one in every if one in SPREAD[mode]]
    return [
        Combination(transport, via)
        for transport, via in every
        if wanted.transport in (None, transport) and wanted.via in (None, via)
    ]


def say(text: str) -> None:
    """One line, at once."""
    print(text, flush=True)


def indent(text: str) -> str:
    """Four spaces before each line."""
    return "\n".join("    " + line for line in text.splitlines())


class Tally:
    """Passed and failed runs."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0


def play_all(scenarios: list[Scenario], wanted: argparse.Namespace, cluster: Cluster, logs: Path) -> Tally:
    """Each scenario in each of its combinations, one line per run."""
    tally = Tally()
    trunk = TrunkKeepAlive()
    trunk.open()
    try:
        for scenario in scenarios:
            if cluster.mode not in scenario.modes:
                say(f"skipped {scenario.name} (needs {' or '.join(MODE_NAMES[mode] for mode in scenario.modes)})")
                continue
            if not cluster.owned and scenario.modes == ("processes",):
                say(f"skipped {scenario.name} (needs a cluster that this runner started)")
                continue
            for combination in combinations(scenario, wanted, cluster.mode):
                play_one(scenario, combination, cluster, trunk, logs, tally)
    finally:
        trunk.close()
    return tally


def play_one(scenario: Scenario, combination: Combination, cluster: Cluster, trunk: TrunkKeepAlive, logs: Path,
             tally: Tally) -> None:  # fmt: skip
    """One run and its line."""
    began = time.monotonic()
    folder = logs / scenario.name / f"{combination.transport}-{combination.via}"
    stage, problems, not_judged = None, [], ""
    for number in range(1, PLAYS + 1):
        if stage is not None:
            say(f"again {scenario.name} {combination}: SIPp stood still, {problems[0].splitlines()[0]}")
            # nothing that was sent for one play reaches the next
            cluster.restart()
        stage = Stage(scenario, combination, cluster, trunk, ROOT / "parts", folder / str(number))
        problems = stage.play()
        if not stage.says_nothing():
            break
    if stage.says_nothing() and stage.only_times():
        problems, not_judged = [], ", its times not judged: SIPp stood still in every play"
    seconds = time.monotonic() - began
    if not problems:
        tally.passed += 1
        say(f"ok {scenario.name} {combination} ({seconds:.1f} s{not_judged})")
        return
    tally.failed += 1
    say(f"FAILED {scenario.name} {combination} ({seconds:.1f} s)")
    for problem in problems:
        say(indent(problem))
    if tail := cluster.tail():
        say(indent(tail))
    try:
        cluster.restore()
    except ClusterError as error:
        say(indent(str(error)))


def interrupted(_number: int, _frame: object) -> None:
    """A signal becomes an exception, so that every child is ended on the way out."""
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """0 when every run passed, 1 when one failed, 2 when nothing could be run."""
    wanted = options(arguments)
    try:
        scenarios = chosen(discover(ROOT), wanted)
    except PlanError as error:
        print(error, file=sys.stderr)
        return 2
    if wanted.list:
        for scenario in scenarios:
            say(f"{scenario.name}: {scenario.title}")
        return 0
    if not scenarios:
        print(f"no scenario is named like {' or '.join(wanted.names)}", file=sys.stderr)
        return 2
    if shutil.which("sipp") is None:
        print("sipp is missing: apt-get install sip-tester", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, interrupted)
    return run(scenarios, wanted)


def run(scenarios: list[Scenario], wanted: argparse.Namespace) -> int:
    """Starts the cluster, plays, ends everything."""
    logs = Path(tempfile.mkdtemp(prefix="sipp-scenarios-"))
    mode = "processes" if wanted.processes else "sockets" if wanted.sockets else "single"
    cluster = Cluster(ROOT.parent, wanted.binary.resolve(), mode, logs / "cluster", not wanted.no_start)
    try:
        cluster.start()
        tally = play_all(scenarios, wanted, cluster, logs)
    except (ClusterError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        cluster.stop()
        if wanted.keep:
            say(f"logs: {logs}")
        else:
            shutil.rmtree(logs, ignore_errors=True)
    say(f"{tally.passed} passed, {tally.failed} failed")
    return 0 if tally.failed == 0 and tally.passed > 0 else 1
