#!/usr/bin/env python3
"""Big collections: what an operation takes in a sorted set, a list, a hash and a set of so many elements, and how fast a
trimmed leaderboard and a queue turn over. Over one connection, to any server that speaks RESP.

  benches/collections.py PORT [MEMBERS] [SECONDS]       1,000,000 members; 10 seconds for each turnover
"""

import random
import socket
import sys
import time


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def read(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise SystemExit(rest.decode())
        if kind == b"$" and int(rest) >= 0:
            return self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return None if rest == b"-1" else rest

    def pipeline(self, commands):
        self.socket.sendall(b"".join(map(encode, commands)))
        return [self.read() for _ in commands]

    def __call__(self, *words):
        return self.pipeline([words])[0]


def encode(words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def member(n):
    return "member:%09d" % n


def load(connection, name, count, words):
    """Adds elements a hundred to a command, twenty commands at a time."""
    start = time.monotonic()
    for first in range(0, count, 2000):
        connection.pipeline([[*words(range(at, min(at + 100, count)))] for at in range(first, min(first + 2000, count), 100)])
    print("%-34s %12.0f elements/s" % ("load " + name, count / (time.monotonic() - start)), flush=True)


def measure(connection, name, make, times=200):
    spent = []
    for _ in range(times):
        words = make()
        start = time.monotonic()
        connection(*words)
        spent.append((time.monotonic() - start) * 1000)
    spent.sort()
    print("%-34s %9.3f ms, longest %9.3f" % (name, spent[len(spent) // 2], spent[-1]), flush=True)


def turn_over(connection, name, seconds, batch):
    """Runs batches for so long; the rate of each tenth of the time."""
    rates, end = [], time.monotonic()
    for _ in range(10):
        start, done = end, 0
        while time.monotonic() < start + seconds / 10:
            done += len(connection.pipeline(batch()))
        end = time.monotonic()
        rates.append(done / (end - start))
    print("%-34s %12.0f commands/s; by tenths: %s" % (name, sum(rates) / 10, " ".join("%.0f" % rate for rate in rates)), flush=True)


def main():
    port = int(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10
    connection, rng = Connection(port), random.Random(1)
    connection("FLUSHALL")
    some, middle = lambda: rng.randrange(count), count // 2
    load(connection, "zset", count, lambda ns: ["ZADD", "zset", *(word for n in ns for word in ((n * 7919) % count, member(n)))])
    load(connection, "list", count, lambda ns: ["RPUSH", "list", *map(member, ns)])
    load(connection, "hash", count, lambda ns: ["HSET", "hash", *(word for n in ns for word in (member(n), n))])
    load(connection, "set", count, lambda ns: ["SADD", "set", *map(member, ns)])
    for name, make in [
        ("ZRANK", lambda: ["ZRANK", "zset", member(some())]),
        ("ZRANGE 10 deep inside", lambda: ["ZRANGE", "zset", middle, middle + 9]),
        ("ZRANGE BYSCORE LIMIT deep", lambda: ["ZRANGE", "zset", "-inf", "inf", "BYSCORE", "LIMIT", middle, 10]),
        ("ZCOUNT wide", lambda: ["ZCOUNT", "zset", count // 10, count - some() // 10]),
        ("ZADD one", lambda: ["ZADD", "zset", some(), member(some())]),
        ("ZREMRANGEBYRANK one deep inside", lambda: ["ZREMRANGEBYRANK", "zset", middle, middle]),
        ("ZRANDMEMBER 10", lambda: ["ZRANDMEMBER", "zset", 10]),
        ("SRANDMEMBER 10", lambda: ["SRANDMEMBER", "set", 10]),
        ("LINDEX deep inside", lambda: ["LINDEX", "list", middle + some() // 100]),
        ("LSET deep inside", lambda: ["LSET", "list", middle, "changed"]),
        ("LRANGE 10 deep inside", lambda: ["LRANGE", "list", middle, middle + 9]),
        ("HGET", lambda: ["HGET", "hash", member(some())]),
    ]:
        measure(connection, name, make)
    measure(connection, "LINSERT after the pivot in the middle", lambda: ["LINSERT", "list", "AFTER", member(middle + 5), "x"], 3)
    names = ["zset", "list", "hash", "set"]
    measure(connection, "RENAME", lambda: ["RENAME", names.pop(0), "renamed:%d" % len(names)], 4)
    names = ["renamed:%d" % n for n in range(4)]
    measure(connection, "DEL", lambda: ["DEL", names.pop()], 4)

    def churn():
        scores = [["ZADD", "lb", rng.randrange(1_000_000), member(some())] for _ in range(50)]
        return [*scores, ["ZREMRANGEBYRANK", "lb", 500, -1]]

    turn_over(connection, "leaderboard", seconds, churn)
    load(connection, "queue", count, lambda ns: ["LPUSH", "queue", *map(member, ns)])
    job = ["LPUSH", "queue", "job"]
    turn_over(connection, "queue of so many", seconds, lambda: [job, ["RPOP", "queue"]] * 50)
    connection("DEL", "queue")
    turn_over(connection, "queue nearly empty", seconds, lambda: [job, ["RPOP", "queue"]] * 50)


main()
