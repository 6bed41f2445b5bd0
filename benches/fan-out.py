#!/usr/bin/env python3
"""Publishing to many subscribers, beside Redis: messages delivered a second, and the CPU that each server took for them.

  benches/fan-out.py [--messages 20000] [--subscribers 100] [--bytes 100] [--rounds 3]

Publishers each wait for the reply before they publish again (pipeline 1). Subscribers are drained by one process that
reads one after the other: what a server sends them in one write costs it one read, whichever server that is. Rounds
alternate between the servers, since machines have moods."""

import argparse
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time


def connect(port):
    for _ in range(200):
        try:
            stream = socket.create_connection(("127.0.0.1", port), timeout=60)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return stream
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing answers at port {port}")


def command(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def drain(port, subscribers, bytes_each, ready):
    """Subscribes, says so, and reads until each subscriber has had so many bytes."""
    streams = [connect(port) for _ in range(subscribers)]
    for stream in streams:
        stream.sendall(command("SUBSCRIBE", "news"))
        confirmed = b""
        while not confirmed.endswith(b":1\r\n"):
            confirmed += stream.recv(4096)
    left = [bytes_each] * subscribers
    buffer = bytearray(1 << 18)
    ready.set()
    while any(left):
        for at, stream in enumerate(streams):
            if left[at] > 0:
                got = stream.recv_into(buffer)
                if got == 0:
                    sys.exit("a subscriber was disconnected")
                left[at] -= got


def publish(port, messages, payload):
    stream = connect(port)
    request = command("PUBLISH", "news", payload)
    for _ in range(messages):
        stream.sendall(request)
        reply = stream.recv(64)
        while not reply.endswith(b"\r\n"):
            reply += stream.recv(64)


def cpu_seconds(process):
    fields = open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(engine, port, directory):
    if engine == "redis":
        words = ["redis-server", "--port", port, "--dir", directory, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
    else:
        binary = os.environ.get("SILTSTONE", "target/release/siltstone")
        words = [binary, "serve", "--port", port, "--table-port", 0, "--dir", directory, "--memory", "1GiB", "--fsync", "everysec"]
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure(engine, port, publishers, args):
    payload = b"x" * args.bytes
    pushed = b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$%d\r\n%s\r\n" % (len(payload), payload)
    with tempfile.TemporaryDirectory(dir=".") as directory:
        server = start(engine, port, directory)
        try:
            connect(port).close()
            each = args.messages // publishers
            ready = multiprocessing.Event()
            bytes_each = len(pushed) * each * publishers
            drained = multiprocessing.Process(target=drain, args=(port, args.subscribers, bytes_each, ready))
            drained.start()
            ready.wait()
            cpu, begun = cpu_seconds(server), time.monotonic()
            publishing = [multiprocessing.Process(target=publish, args=(port, each, payload)) for _ in range(publishers)]
            for process in publishing:
                process.start()
            for process in publishing + [drained]:
                process.join()
            took = time.monotonic() - begun
            if drained.exitcode:
                sys.exit("not all messages were delivered")
            delivered = each * publishers * args.subscribers
            return delivered / took, (cpu_seconds(server) - cpu) / delivered * 1e6
        finally:
            server.terminate()
            server.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--subscribers", type=int, default=100)
    parser.add_argument("--bytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--publishers", default="1,4")
    args = parser.parse_args()
    print(f"{'server':<10} {'publishers':>10} {'subscribers':>11} {'delivered/s':>12} {'CPU s / M':>10}")
    for publishers in map(int, args.publishers.split(",")):
        for _ in range(args.rounds):
            for engine, port in (("redis", 7393), ("siltstone", 7394)):
                rate, cpu = measure(engine, port, publishers, args)
                print(f"{engine:<10} {publishers:>10} {args.subscribers:>11} {rate:>12.0f} {cpu:>10.2f}", flush=True)


main()
