"""A client of the T-Library language: frames over one blocking socket, requests, and events in their order."""

import contextlib
import importlib
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

LANGUAGE = "src/cti/tlib.proto"
PROTOCOL_VERSION = 1
FRAME_LEN_MAX = 1 << 20
LENGTH = struct.Struct(">I")
ANSWER_WAIT_S = 5.0
#: Until the server, too, has said over TLS that it ends the connection.
END_WAIT_S = 0.5

#: What a key-value list holds: numbers, texts, bytes and lists of the same kind, in order.
Value = int | str | bytes | list
Pairs = list[tuple[str, Value]]


class Silence(Exception):
    """What was waited for did not come."""


class Closed(Exception):
    """The server has ended the connection."""


def load_language(repo: Path) -> ModuleType:
    """Classes of the language, written by protoc into a folder that is gone when they are loaded."""
    source = repo / LANGUAGE
    with tempfile.TemporaryDirectory(prefix="tlib-") as folder:
        command = ["protoc", f"--proto_path={source.parent}", f"--python_out={folder}", source.name]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        sys.path.insert(0, folder)
        try:
            return importlib.import_module("tlib_pb2")
        finally:
            sys.path.remove(folder)


def to_kvlist(language: ModuleType, pairs: Pairs) -> object:
    """A KVList of these pairs; the type of a value says which kind it is."""
    kvlist = language.KVList()
    for key, value in pairs:
        pair = kvlist.Pairs.add(Key=key)
        if isinstance(value, list):
            # an empty list is a value too
            pair.List.SetInParent()
            pair.List.CopyFrom(to_kvlist(language, value))
        else:
            kind = {int: "Integer", str: "Text", bytes: "Binary"}[type(value)]
            setattr(pair, kind, value)
    return kvlist


def from_kvlist(kvlist: object) -> Pairs:
    """Its pairs, in order; a pair without a value has None."""
    pairs = []
    for pair in kvlist.Pairs:
        kind = pair.WhichOneof("Value")
        value = getattr(pair, kind) if kind else None
        pairs.append((pair.Key, from_kvlist(value) if kind == "List" else value))
    return pairs


def of_key(pairs: Pairs | None, key: str) -> Value | None:
    """The first value of a key, whose case does not count; None without one."""
    return next((value for name, value in pairs or [] if name.lower() == key.lower()), None)


def mask(language: ModuleType, kind: str, *names: str) -> bytes:
    """A bit mask of `RequestType` or `EventType`, least significant bit first."""
    enum = language.DESCRIPTOR.enum_types_by_name[kind].values_by_name
    bits = sum(1 << enum[name].number for name in names)
    return bits.to_bytes(bits.bit_length() // 8 + 1, "little")


def has_bit(bits: bytes, number: int) -> bool:
    """Whether a bit is set in a mask; what is beyond its end is not."""
    return number // 8 < len(bits) and bool(bits[number // 8] >> number % 8 & 1)


@dataclass(frozen=True)
class Event:
    """An event as it came: enumerators by name, key-value lists as pairs. `reference` is 0 where nobody here asked."""

    name: str
    reference: int
    source: int
    epoch: int
    seq: int
    attributes: dict[str, object] = field(default_factory=dict)

    def get(self, name: str) -> object:
        """An attribute; None where the event has none."""
        return self.attributes.get(name)

    def fits(self, name: str, attributes: dict[str, object]) -> bool:
        """Whether it is of this type and has these attributes."""
        return self.name == name and all(self.get(key) == value for key, value in attributes.items())

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.attributes.items())
        mark = f" #{self.reference}" if self.reference else ""
        return f"{self.name}{mark}({told})"


def cursor(language: ModuleType, event: Event) -> object:
    """What a client names that has had this event last."""
    return language.Cursor(Source=event.source, Epoch=event.epoch, Seq=event.seq)


class Client:
    """One connection, over TLS where it has a context. Events that nobody has waited for yet stay in `events`."""

    def __init__(self, language: ModuleType, patience: float = ANSWER_WAIT_S, tls: ssl.SSLContext | None = None):
        self.language = language
        self.patience = patience
        self.tls = tls
        self.socket: socket.socket | None = None
        self.buffer = bytearray()
        self.reference = 0
        self.events: list[Event] = []
        #: Numbers of the Polls and PollAnswers that came.
        self.polls: list[int] = []
        self.poll_answers: list[int] = []
        self.answers_polls = True

    # ---- the connection

    def open(self, host: str, port: int) -> "Client":
        """Connects and says nothing yet; raises SSLError where the two do not agree on TLS, Closed where it ends."""
        self.socket = socket.create_connection((host, port), timeout=self.patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is not None:
            try:
                self.socket = self.tls.wrap_socket(self.socket, server_hostname=host)
            except ConnectionError as error:
                raise Closed(str(error)) from error
        return self

    def connect(self, host: str, port: int, application: str, **registration: object) -> Event:
        """Connects, registers under this name, and returns EventServerConnected when both events are there."""
        answer = self.open(host, port).introduce(application, **registration)
        if answer.name == "EventServerConnected":
            self.wait("EventLinkConnected")
        return answer

    def introduce(self, application: str, **registration: object) -> Event:
        """TRegisterClient and what answers it."""
        fields = {"ApplicationName": application, "ProtocolVersion": PROTOCOL_VERSION, **registration}
        request = self.next_request("TRegisterClient")
        request.Registration.MergeFrom(self.language.ClientRegistration(**fields))
        self.send(self.language.Frame(Request=request))
        return self.answer_of(request.ReferenceID)

    def close(self) -> None:
        """Ends the connection from here."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def say_end(self) -> None:
        """Says over TLS that it ends the connection, and ends it; what comes meanwhile is lost."""
        # the server may just close it as well
        with contextlib.suppress(OSError):
            self.socket.settimeout(END_WAIT_S)
            self.socket.unwrap()
        self.close()

    # ---- requests

    def request(self, kind: str | int, reference: int | None = None, **attributes: object) -> int:
        """Sends a request and returns its ReferenceID. Enumerators go by name, key-value lists as pairs."""
        request = self.next_request(kind, reference, **attributes)
        self.send(self.language.Frame(Request=request))
        return request.ReferenceID

    def ask(self, kind: str | int, **attributes: object) -> Event:
        """Sends a request and returns the event that carries its ReferenceID; raises Silence when none comes."""
        return self.answer_of(self.request(kind, **attributes))

    def next_request(self, kind: str | int, reference: int | None = None, **attributes: object) -> object:
        """A Request that is not sent yet, with the next ReferenceID unless one is given."""
        if reference is None:
            self.reference += 1
            reference = self.reference
        request = self.language.Request(Type=kind, ReferenceID=reference)
        for name, value in attributes.items():
            if isinstance(value, list):
                value = to_kvlist(self.language, value)
            request.Attributes.MergeFrom(self.language.Attributes(**{name: value}))
        return request

    def poll(self, number: int) -> None:
        """Asks the server for a sign of life; `poll_answers` tells what came."""
        self.send(self.language.Frame(Poll=number))

    def send(self, frame: object) -> None:
        """One frame; raises Closed where the server has gone."""
        body = frame.SerializeToString()
        self.send_bytes(LENGTH.pack(len(body)) + body)

    def send_bytes(self, data: bytes) -> None:
        """Bytes as they are, so that a test can break rules; raises Closed where the server has gone."""
        try:
            self.socket.settimeout(self.patience)
            self.socket.sendall(data)
        except (ConnectionError, ssl.SSLError) as error:
            raise Closed(str(error)) from error

    # ---- events

    def answer_of(self, reference: int) -> Event:
        """The event with this ReferenceID; others stay in `events`. Raises Silence."""
        return self.take(lambda event: event.reference == reference, f"answer to request {reference}")

    def wait(self, name: str, **attributes: object) -> Event:
        """The first event of this type and with these attributes; others stay in `events`. Raises Silence."""
        return self.take(lambda event: event.fits(name, attributes), f"{name} {attributes or ''}".strip())

    def next(self) -> Event:
        """The event that waits longest, or that comes. Raises Silence."""
        return self.take(lambda event: True, "event")

    def take(self, wanted: object, what: str) -> Event:
        """The first event that is wanted, out of those that wait or that come in time; raises Silence."""
        for event in self.events:
            if wanted(event):
                self.events.remove(event)
                return event
        until = time.monotonic() + self.patience
        while (event := self.receive(until - time.monotonic())) is not None:
            if wanted(event):
                return event
            self.events.append(event)
        raise Silence(f"no {what}; heard: {'; '.join(map(str, self.events)) or 'nothing'}")

    def until(self, name: str) -> list[Event]:
        """The events that wait, or that come, up to the first of this type, which is the last. Raises Silence."""
        last = self.wait(name)
        before = list(self.events)
        self.events.clear()
        return [*before, last]

    def drain(self, seconds: float = 0.3) -> list[Event]:
        """All events that wait or come in this time: nobody asks for them any more."""
        self.quiet(seconds)
        events = list(self.events)
        self.events.clear()
        return events

    def quiet(self, seconds: float) -> bool:
        """Whether no event waits and none comes in this time. What comes stays in `events`."""
        until = time.monotonic() + seconds
        while (event := self.receive(until - time.monotonic())) is not None:
            self.events.append(event)
        return not self.events

    def is_ended(self, seconds: float) -> bool:
        """Whether the server ends the connection in this time. Events that come stay in `events`."""
        try:
            self.quiet(seconds)
        except Closed:
            return True
        return False

    def receive(self, seconds: float) -> Event | None:
        """The next event, or None when none comes in this time; Polls are answered on the way. Raises Closed."""
        until = time.monotonic() + seconds
        while (frame := self.frame(until)) is not None:
            body = frame.WhichOneof("Body")
            if body == "Event":
                return self.event(frame)
            if body == "Poll":
                self.polls.append(frame.Poll)
                if self.answers_polls:
                    self.send(self.language.Frame(PollAnswer=frame.Poll))
            elif body == "PollAnswer":
                self.poll_answers.append(frame.PollAnswer)
        return None

    def frame(self, until: float) -> object | None:
        """The next frame; None when the time is over. What has arrived is read even when no time is left."""
        while True:
            if len(self.buffer) >= LENGTH.size:
                end = LENGTH.size + LENGTH.unpack_from(self.buffer)[0]
                if end > LENGTH.size + FRAME_LEN_MAX:
                    raise Closed(f"the server sends a frame of {end - LENGTH.size} bytes")
                if len(self.buffer) >= end:
                    frame = self.language.Frame.FromString(bytes(self.buffer[LENGTH.size : end]))
                    del self.buffer[:end]
                    return frame
            try:
                # zero would make the socket non-blocking, which ends in another exception
                self.socket.settimeout(max(until - time.monotonic(), 0.001))
                data = self.socket.recv(1 << 16)
            except TimeoutError:
                return None
            except (ConnectionError, ssl.SSLError) as error:
                # an alert too: with TLS 1.3 a certificate is refused only after the handshake
                raise Closed(str(error)) from error
            if not data:
                raise Closed("the server has ended the connection")
            self.buffer += data

    def event(self, frame: object) -> Event:
        """An event out of its frame."""
        told = frame.Event
        attributes = {}
        for one, value in told.Attributes.ListFields():
            if one.enum_type is not None:
                known = one.enum_type.values_by_number.get(value)
                value = known.name if known else value
            elif one.message_type is not None and one.message_type.name == "KVList":
                value = from_kvlist(value)
            attributes[one.name] = value
        known = self.language.DESCRIPTOR.enum_types_by_name["EventType"].values_by_number.get(told.Type)
        name = known.name if known else str(told.Type)
        return Event(name, frame.ReferenceID, told.Source, told.Epoch, told.Seq, attributes)
