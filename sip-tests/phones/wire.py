"""Every UDP packet that passes between the phones and the hub: SIP as text, RTP counted."""

import re
import socket
import threading
import time
from dataclasses import dataclass

#: Both ways; a reader of one ethertype would not see what a bridge forwards.
ETHERTYPE_ALL = 0x0003
ETHERTYPE_IPV4 = 0x0800
PROTOCOL_UDP = 17
SIP_PORT = 5060


@dataclass(frozen=True)
class Packet:
    """One UDP packet at the moment at which it was seen; `text` is empty for RTP."""

    at: float
    source: str
    target: str
    text: str


def read_packet(frame: bytes, at: float) -> Packet | None:
    """SIP and RTP over UDP over IPv4; nothing else."""
    if len(frame) < 42 or int.from_bytes(frame[12:14]) != ETHERTYPE_IPV4 or frame[23] != PROTOCOL_UDP:
        return None
    head = 14 + (frame[14] & 15) * 4
    source, target = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
    ports = int.from_bytes(frame[head : head + 2]), int.from_bytes(frame[head + 2 : head + 4])
    body = frame[head + 8 :]
    if SIP_PORT in ports:
        return Packet(at, source, target, body.decode("utf-8", "replace"))
    # version 2 of RTP, and a payload type that RTCP does not have
    is_rtp = len(body) > 12 and body[0] >> 6 == 2 and body[1] & 127 < 64
    return Packet(at, source, target, "") if is_rtp else None


class Wire:
    """A thread that reads the hub's end of each veth pair. What passes from phone to phone is seen at both."""

    def __init__(self, interfaces: list[str]):
        self.packets: list[Packet] = []
        self.ending = threading.Event()
        self.threads = []
        for interface in interfaces:
            reader = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ALL))
            reader.bind((interface, ETHERTYPE_ALL))
            reader.settimeout(0.2)
            thread = threading.Thread(target=self.read, args=(reader,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def read(self, reader: socket.socket) -> None:
        """Until the end."""
        while not self.ending.is_set():
            try:
                frame, address = reader.recvfrom(65535)
            except TimeoutError:
                continue
            except OSError:
                break
            packet = read_packet(frame, time.monotonic())
            # RTP counts where it goes out to a phone, so that nothing is counted twice
            if packet is not None and (packet.text or address[2] == socket.PACKET_OUTGOING):
                self.packets.append(packet)
        reader.close()

    def sip(self, source: str = "", target: str = "", start: str = "", holds: str = "", since: float = 0.0) -> list[Packet]:
        """SIP messages seen so far that fit."""
        return [
            one for one in list(self.packets)
            if one.text and one.at >= since and source in ("", one.source) and target in ("", one.target)
            and one.text.startswith(start) and re.search(holds, one.text)
        ]  # fmt: skip

    def last_sip(self, **wanted: str) -> Packet:
        """The last that fits; there is one."""
        return self.sip(**wanted)[-1]

    def wait_sip(self, since: float, seconds: float, **wanted: str) -> Packet | None:
        """The first that fits and was seen after `since`, waited for."""
        until = time.monotonic() + seconds
        while True:
            found = self.sip(since=since, **wanted)
            if found or time.monotonic() > until:
                return found[0] if found else None
            time.sleep(0.05)

    def rtp_during(self, seconds: float, *ways: tuple[str, str]) -> list[int]:
        """RTP packets in each way (source, target) from now on."""
        begin = time.monotonic()
        time.sleep(seconds)
        heard = [one for one in list(self.packets) if not one.text and one.at >= begin]
        return [sum((one.source, one.target) == way for one in heard) for way in ways]

    def stop(self) -> None:
        """Ends the threads."""
        self.ending.set()
        for thread in self.threads:
            thread.join()
