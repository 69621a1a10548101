"""A baresip in its namespace: configuration, control over its TCP port, events, recording."""

import array
import glob
import json
import math
import socket
import subprocess
import time
import wave
from pathlib import Path

RATE = 8000
TONE_S = 150
CONTROL_PORT = 4444
EVENT_WAIT_S = 10.0
CONFIG = """\
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {address}:{control}
net_interface eth0
sip_listen {address}:5060
audio_source aufile,{folder}/tone.wav
audio_player aubridge,nobody
audio_buffer 20-160
snd_path {folder}
ringback_disabled yes
{trust}"""
ACCOUNT = "<sip:{dn}@{proxy}{by}>;auth_pass=secret-{dn};regint=120;audio_codecs=PCMA/8000;answermode=manual\n"


class PhoneError(Exception):
    """The phone did not start, or did not do what it should."""


def modules() -> str:
    """The folder of baresip's modules; empty when there is none."""
    found = glob.glob("/usr/lib/baresip/modules") + glob.glob("/usr/lib/*/baresip/modules")
    return found[0] if found else ""


def write_tone(path: Path, hertz: int) -> None:
    """A sine, long enough for a whole course."""
    period = RATE // math.gcd(RATE, hertz)
    wavelength = [int(9000 * math.sin(2 * math.pi * hertz * at / RATE)) for at in range(period)]
    samples = array.array("h", wavelength * (RATE * TONE_S // period))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def heard_tone(path: Path, tones: list[int]) -> tuple[int, float, float]:
    """The strongest of the tones, its share of the recording's power, and the recording's level (RMS)."""
    with wave.open(str(path), "rb") as file:
        rate, samples = file.getframerate(), array.array("h", file.readframes(file.getnframes()))
    # a second that is nobody's hold: the first two after the call was answered
    part = samples[rate // 2 : rate // 2 + rate]
    power = sum(one * one for one in part) / max(1, len(part))
    shares = {tone: strength(part, rate, tone) / max(power, 1.0) for tone in tones}
    tone = max(shares, key=lambda one: shares[one])
    return tone, shares[tone], math.sqrt(power)


def strength(samples: array.array, rate: int, hertz: int) -> float:
    """Power of one frequency in the samples."""
    turn = 2 * math.pi * hertz / rate
    real = sum(one * math.cos(turn * at) for at, one in enumerate(samples))
    imaginary = sum(one * math.sin(turn * at) for at, one in enumerate(samples))
    return 2 * (real * real + imaginary * imaginary) / max(1, len(samples)) ** 2


class Baresip:
    """One phone."""

    def __init__(self, namespace: str, dn: str, address: str, proxy: str, folder: Path, trust: Path | None = None):
        self.namespace = namespace
        self.dn = dn
        self.address = address
        self.proxy = proxy
        self.folder = folder
        #: The authority of its proxy, with which it speaks TLS then.
        self.trust = trust
        self.process: subprocess.Popen | None = None
        self.control: socket.socket | None = None
        self.buffer = b""
        self.events: list[str] = []

    def start(self) -> None:
        """Starts it and connects to its control port; it registers by itself."""
        place = {"modules": modules(), "address": self.address, "control": CONTROL_PORT, "folder": self.folder}
        place["trust"] = f"sip_cafile {self.trust}\nsip_verify_server yes\n" if self.trust else ""
        (self.folder / "config").write_text(CONFIG.format(**place), "utf-8")
        (self.folder / "accounts").write_text(ACCOUNT.format(dn=self.dn, proxy=self.proxy, by=":5061;transport=tls" if self.trust else ""), "utf-8")
        command = ["ip", "netns", "exec", self.namespace, "baresip", "-f", str(self.folder)]
        with open(self.folder / "baresip.log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + EVENT_WAIT_S
        while self.control is None:
            try:
                self.control = socket.create_connection((self.address, CONTROL_PORT), timeout=1)
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise PhoneError(f"baresip of {self.dn} does not run: {error}\n{self.tail()}") from error
                time.sleep(0.1)

    def command(self, name: str, parameters: str = "") -> None:
        """Tells it what to do, as if typed."""
        text = json.dumps({"command": name, "params": parameters, "token": name})
        self.control.sendall(f"{len(text)}:{text},".encode())

    def wait_for(self, event: str) -> None:
        """Returns when it has told of this event; raises PhoneError when it does not."""
        until = time.monotonic() + EVENT_WAIT_S
        while event not in self.events:
            left = until - time.monotonic()
            if left <= 0:
                raise PhoneError(f"{self.dn}: no {event}, only {self.events}\n{self.tail()}")
            self.read(left)
        del self.events[: self.events.index(event) + 1]

    def read(self, seconds: float) -> None:
        """One read of its control port: netstrings of JSON."""
        self.control.settimeout(seconds)
        try:
            data = self.control.recv(65536)
        except TimeoutError:
            return
        if not data:
            raise PhoneError(f"{self.dn}: baresip has ended\n{self.tail()}")
        self.buffer += data
        while b":" in self.buffer:
            length, _, rest = self.buffer.partition(b":")
            size = int(length)
            if len(rest) < size + 1:
                return
            self.buffer = rest[size + 1 :]
            told = json.loads(rest[:size])
            if told.get("event"):
                self.events.append(told.get("type", ""))

    def recording(self) -> Path:
        """What it heard in its first call."""
        found = sorted(self.folder.glob("dump-*-dec.wav"))
        if not found:
            raise PhoneError(f"{self.dn} has recorded nothing\n{self.tail()}")
        return found[0]

    def tail(self) -> str:
        """The end of its log."""
        path = self.folder / "baresip.log"
        return "\n".join(path.read_text("utf-8", "replace").splitlines()[-15:]) if path.is_file() else ""

    def stop(self) -> None:
        """Asks it to end, and ends it."""
        if self.control is not None:
            self.control.close()
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
