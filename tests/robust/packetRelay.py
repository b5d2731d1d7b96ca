"""Joins two network namespaces by packets that this program carries: late, some of them lost, so many bytes a second, none at all.

    packetRelay.py NAMESPACE_A ADDRESS_A NAMESPACE_B ADDRESS_B

What `tc netem` does, for kernels without it. Reads a line of JSON for each change of weather: delay (seconds each way), loss (share of
packets), rate (bytes a second; 0: any), cut (true: nothing passes). Says "ready" once packets pass, and at the end what it carried.
"""

import fcntl
import heapq
import json
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000
MTU = 1400
# As netem has it.
MAX_QUEUED = 1000


def open_end(name, namespace, address, peer):
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", name, "netns", namespace], check=True)
    inside = ["ip", "-n", namespace]
    subprocess.run([*inside, "addr", "add", address, "peer", peer, "dev", name], check=True)
    subprocess.run([*inside, "link", "set", name, "mtu", str(MTU), "up"], check=True)
    subprocess.run([*inside, "link", "set", "lo", "up"], check=True)
    return end


def main():
    space_a, address_a, space_b, address_b = sys.argv[1:5]
    label = str(os.getpid())
    ends = [
        open_end("fta" + label, space_a, address_a, address_b),
        open_end("ftb" + label, space_b, address_b, address_a),
    ]
    weather = {"delay": 0.0, "loss": 0.0, "rate": 0, "cut": False}
    draw = random.Random(13)
    free = [0.0, 0.0]
    queued = [0, 0]
    waiting = []
    carried = {"packets": 0, "lost": 0, "cut": 0, "full": 0}
    serial = 0
    os.set_blocking(0, False)
    print("ready", flush=True)
    text = b""
    while True:
        now = time.monotonic()
        pause = max(0.0, waiting[0][0] - now) if waiting else None
        readable, _, _ = select.select([0, *ends], [], [], pause)
        now = time.monotonic()
        if 0 in readable:
            more = os.read(0, 65536)
            if not more:
                print(json.dumps(carried), flush=True)
                return
            text += more
            while b"\n" in text:
                line, text = text.split(b"\n", 1)
                weather.update(json.loads(line))
                print("weather", flush=True)
        for side in (0, 1):
            if ends[side] not in readable:
                continue
            while True:
                try:
                    packet = os.read(ends[side], 65536)
                except BlockingIOError:
                    break
                if weather["cut"]:
                    carried["cut"] += 1
                elif draw.random() < weather["loss"]:
                    carried["lost"] += 1
                elif queued[side] >= MAX_QUEUED:
                    carried["full"] += 1
                else:
                    begins = max(now, free[side])
                    free[side] = begins + (len(packet) / weather["rate"] if weather["rate"] else 0.0)
                    serial += 1
                    queued[side] += 1
                    heapq.heappush(waiting, (free[side] + weather["delay"], serial, side, packet))
        while waiting and waiting[0][0] <= now:
            _, _, side, packet = heapq.heappop(waiting)
            queued[side] -= 1
            carried["packets"] += 1
            try:
                os.write(ends[1 - side], packet)
            except OSError:
                pass


main()
