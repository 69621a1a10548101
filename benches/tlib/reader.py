"""A client that says `ready` when it hears of calls, reads events without looking at them, and ends with the node.

  reader.py monitor FIRST LAST     registered at the TCport of node 1 for these DNs, which have to be in service
  reader.py collector              every call, at the IPport of node 1

Then it says how many bytes it has read.
"""

import signal
import sys

sys.dont_write_bytecode = True
from nodes import IPPORT, RECEIVE_LEN, Client, Failed, ask, connect, language  # noqa: E402


def monitor(first: str, last: str) -> Client:
    """Registered for a range."""
    client = connect(language(), 1, "monitor")
    for dn in range(int(first), int(last) + 1):
        if not ask(client, "TRegisterAddress", "EventRegistered", ThisDN=str(dn)).get("IsInService"):
            raise Failed(f"{dn} is not in service")
    return client


def collector() -> Client:
    """Has every call."""
    registration = {"Capabilities": ["CapabilityCallMonitoring"], "ClusterRole": "I-Proxy", "ClusterName": "bench"}
    client = connect(language(), 1, "collector", IPPORT, **registration)
    ask(client, "TStartCallMonitoring", "EventACK")
    return client


def read(client: Client) -> int:
    """Bytes until the node ends."""
    buffer, total = bytearray(RECEIVE_LEN), 0
    client.socket.settimeout(None)
    try:
        while count := client.socket.recv_into(buffer):
            total += count
    except ConnectionError:
        pass
    return total


def main() -> None:
    """What the arguments say."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        client = {"monitor": monitor, "collector": collector}[sys.argv[1]](*sys.argv[2:])
    except Failed as error:
        sys.exit(f"reader: {error}")
    print("ready", flush=True)
    print(read(client))


main()
