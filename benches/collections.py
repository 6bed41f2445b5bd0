#!/usr/bin/env python3
"""Big collections: what an operation takes in a sorted set, a list, a hash and a set of so many elements, and how fast a
trimmed leaderboard and a queue turn over. Over one connection, to any server that speaks RESP.

  benches/collections.py PORT [MEMBERS] [SECONDS]       1,000,000 members; 10 seconds for each turnover
  benches/collections.py PORT MEMBERS SECONDS churn     only the turnovers: a leaderboard trimmed to 500 after every 50
                                                        scores, a queue with so many waiting, and one nearly empty

The turnovers are told by tenths of their time: what slows down as it goes on shows there. Ten minutes each are
`benches/collections.py 6379 1000000 600 churn`.
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

    def skip(self):
        """Reads a reply that is a number or a string, and forgets it."""
        line = self.file.readline()
        if line[:1] == b"-":
            raise SystemExit(line.decode())
        if line[:1] == b"$" and line[1:2] != b"-":
            self.file.readline()

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


def turn_over(connection, name, seconds, batches):
    """Runs batches, encoded beforehand so that the client is not what is measured, for so long; the rate of each tenth."""
    batches = [(b"".join(map(encode, batch)), len(batch)) for batch in batches]
    rates, longest, end, at = [], 0, time.monotonic(), 0
    for _ in range(10):
        start, done = end, 0
        while end < start + seconds / 10:
            sent, count = batches[at % len(batches)]
            connection.socket.sendall(sent)
            for _ in range(count):
                connection.skip()
            before, end, done, at = end, time.monotonic(), done + count, at + 1
            longest = max(longest, end - before)
        rates.append(done / (end - start))
    print("%-34s %12.0f commands/s; by tenths: %s; longest batch %.1f ms" % (name, sum(rates) / 10, " ".join("%.0f" % rate for rate in rates), longest * 1000), flush=True)


def turnovers(connection, count, seconds, rng):
    def churn():
        scores = [["ZADD", "lb", rng.randrange(1_000_000), member(rng.randrange(count))] for _ in range(50)]
        return [*scores, ["ZREMRANGEBYRANK", "lb", 500, -1]]

    turn_over(connection, "leaderboard", seconds, [churn() for _ in range(10_000)])
    load(connection, "queue", count, lambda ns: ["LPUSH", "queue", *map(member, ns)])
    pairs = [[["LPUSH", "queue", "job"], ["RPOP", "queue"]] * 50]
    turn_over(connection, "queue of so many", seconds, pairs)
    connection("DEL", "queue")
    turn_over(connection, "queue nearly empty", seconds, pairs)


def main():
    port = int(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10
    connection, rng = Connection(port), random.Random(1)
    connection("FLUSHALL")
    if sys.argv[4:] == ["churn"]:
        return turnovers(connection, count, seconds, rng)
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

    turnovers(connection, count, seconds, rng)


main()
