#!/usr/bin/env python3
"""What a server of little memory really takes: its own memory (RssAnon + RssShmem) while it is idle, loads big collections,
gives each of them away whole, alone, and to many clients at once; beside the limit, which is the setting and 15 % more.
Ends with failure if that was exceeded.

  benches/small-memory.py [--binary target/release/siltstone] [--memory 64MiB] [--elements 1000000] [--clients 24]
                          [--pause 12] [--dir DIR] [--smaps]

Replies are drained and not looked at, but for those that are errors, whose first line is told. With --smaps, the largest
mappings are told after each phase."""

import argparse
import collections
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

MARK = b"$13\r\nthat is all -\r\n"
VALUE = "value:%09d:" + "x" * 24


def encode(words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def connect(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=300)
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing answers at port {port}")


def drain(stream, requests):
    """Sends requests, and reads until all are answered: how many bytes those were, and how they begin."""
    stream.sendall(b"".join(map(encode, requests)) + encode(["ECHO", "that is all -"]))
    buffer, total, first, last = bytearray(1 << 18), 0, b"", b""
    while last != MARK:
        count = stream.recv_into(buffer)
        if count == 0:
            return total, first or b"-the connection was closed"
        got = bytes(buffer[max(0, count - len(MARK)) : count])
        first, last, total = first or bytes(buffer[: min(count, 80)]), (last + got)[-len(MARK) :], total + count
    return total - len(MARK), first


class Own(threading.Thread):
    """The most that a process takes between two looks."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path, self.most, self.now = f"/proc/{pid}/status", 0, 0
        self.start()

    def look(self):
        with open(self.path) as status:
            lines = [line.split() for line in status if line.startswith(("RssAnon", "RssShmem"))]
        self.now = sum(int(line[1]) for line in lines) / 1024
        self.most = max(self.most, self.now)

    def run(self):
        while True:
            try:
                self.look()
            except OSError:
                return
            time.sleep(0.005)


def mappings(pid):
    """The largest mappings of memory of its own: MiB, of which so many in huge pages."""
    sizes, name = collections.Counter(), ""
    with open(f"/proc/{pid}/smaps") as smaps:
        for line in smaps:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                name = words[5] if len(words) > 5 else "anonymous"
            elif words[0] in ("Anonymous:", "AnonHugePages:"):
                sizes[words[0][:-1], name] += int(words[1]) / 1024
    own = [(size, name) for (kind, name), size in sizes.items() if kind == "Anonymous" and size >= 0.5]
    for size, name in sorted(own, reverse=True):
        print("    %6.1f MiB, %6.1f in huge pages  %s" % (size, sizes["AnonHugePages", name], name))
    print("    threads: %d" % len(os.listdir(f"/proc/{pid}/task")), flush=True)


def loads(elements):
    """Commands that make the collections, one after the other, a hundred elements each."""
    for name, words in [
        (["HSET", "hash"], lambda n: ("field:%09d" % n, VALUE % n)),
        (["RPUSH", "list"], lambda n: (VALUE % n,)),
        (["SADD", "set"], lambda n: (VALUE % n,)),
        (["SADD", "other"], lambda n: (VALUE % (2 * n),)),
        (["ZADD", "zset"], lambda n: (n, VALUE % n)),
    ]:
        for first in range(0, elements, 100):
            numbers = range(first, min(first + 100, elements))
            yield [*name, *(word for n in numbers for word in words(n))]


LARGE = [
    ["HGETALL", "hash"],
    ["LRANGE", "list", 0, -1],
    ["SMEMBERS", "set"],
    ["ZRANGE", "zset", 0, -1, "WITHSCORES"],
    ["ZRANGE", "zset", "-inf", "inf", "BYSCORE"],
    ["SUNION", "set", "other"],
    ["SINTER", "set", "other"],
    ["SORT", "list", "ALPHA", "LIMIT", 0, 10],
    ["SORT", "list", "ALPHA"],
    ["EVAL", "local t = {} for i = 1, 100000 do t[i] = 'element:' .. i end return t", 0],
    ["EVAL", "return redis.call('LRANGE', KEYS[1], 0, 30000)", 1, "list"],
    ["EVAL", "return redis.call('HGETALL', KEYS[1])", 1, "hash"],
    ["SUNIONSTORE", "union", "set", "other"],
    ["COPY", "hash", "copy", "REPLACE"],
]


class Server:
    def __init__(self, args, dir):
        self.args, self.failed = args, False
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        words = [args.binary, "serve", "--dir", dir, "--memory", args.memory, "--fsync", "everysec"]
        self.process = subprocess.Popen([*words, "--table-port", "0", "--port", str(self.port)])
        connect(self.port).close()
        self.own = Own(self.process.pid)
        unit = {"MiB": 1, "GiB": 1024}[args.memory[-3:]]
        self.limit = int(args.memory[:-3]) * unit * 1.15

    def phase(self, name, run):
        self.own.most = 0
        start = time.monotonic()
        told = run() or ""
        took = time.monotonic() - start
        self.own.look()
        self.failed |= self.own.most > self.limit
        over = " !" if self.own.most > self.limit else ""
        print("%-34s %6.1f MiB at most, %6.1f then, %6.2f s%s %s" % (name, self.own.most, self.own.now, took, over, told), flush=True)
        if self.args.smaps:
            mappings(self.process.pid)

    def one(self, words):
        with connect(self.port) as stream:
            total, first = drain(stream, [words])
        return first.split(b"\r\n")[0].decode() if first[:1] == b"-" else "%.1f MiB of reply" % (total / (1 << 20))

    def load(self):
        pending = []
        with connect(self.port) as stream:
            for words in loads(self.args.elements):
                pending.append(words)
                if len(pending) == 20:
                    drain(stream, pending)
                    pending = []
            drain(stream, pending)

    def all_at_once(self):
        told = collections.Counter()

        def client(n):
            said = self.one(LARGE[n % len(LARGE)])
            told[said if said[:1] == "-" else "replies"] += 1

        threads = [threading.Thread(target=client, args=(n,)) for n in range(self.args.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ", ".join("%d %s" % (count, said) for said, count in told.items())

    def same_at_once(self, words):
        def run():
            threads = [threading.Thread(target=self.one, args=(words,)) for _ in range(self.args.clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/siltstone")
    parser.add_argument("--memory", default="64MiB")
    parser.add_argument("--elements", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--pause", type=float, default=12)
    parser.add_argument("--dir")
    parser.add_argument("--smaps", action="store_true")
    args = parser.parse_args()
    dir = args.dir or tempfile.mkdtemp(prefix="small-memory-")
    server = Server(args, dir)
    try:
        server.phase("at the start", lambda: time.sleep(1))
        server.phase("load", server.load)
        server.phase("idle after the load", lambda: time.sleep(args.pause))
        for words in LARGE:
            server.phase(" ".join(map(str, words))[:34], lambda words=words: server.one(words))
        server.phase("idle again", lambda: time.sleep(args.pause))
        server.phase("%d clients at once, all of these" % args.clients, server.all_at_once)
        for words in LARGE[:4]:
            name = "%d clients at once, %s" % (args.clients, words[0])
            server.phase(name, server.same_at_once(words))
        server.phase("idle at last", lambda: time.sleep(args.pause))
        print("the limit is %.1f MiB" % server.limit)
    finally:
        server.process.terminate()
        server.process.wait()
        if not args.dir:
            shutil.rmtree(dir)
    sys.exit(server.failed)


if __name__ == "__main__":
    main()
