"""A site: a rate limiter with a sliding window, in a script, and, through TLS, a store of sessions that live as long as they are
used."""

import os
import secrets
import signal
import sys
import threading

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

# One step, however many ask at once: forgets what is older than the window, and counts what is left.
ALLOW = """
local now = redis.call('TIME')
local us = now[1] * 1000000 + now[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', us - ARGV[2])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then
    return 0
end
redis.call('ZADD', KEYS[1], us, ARGV[3])
-- Deadlines know only whole milliseconds.
redis.call('PEXPIRE', KEYS[1], ARGV[2] / 1000 + 1)
return us
"""

LIMIT, WINDOW_US = 25, 400_000
SESSIONS = 150


def connect(port, **more):
    retry = Retry(ConstantBackoff(0.05), 400)
    return redis.Redis(port=port, retry=retry, retry_on_error=[redis.ConnectionError], decode_responses=True, **more)


def limit_rates(connection, user, until):
    """Several clients ask as fast as they can until so many requests were let through; when those were, by the server."""
    allow = connection.register_script(ALLOW)
    allowed, lock = [], threading.Lock()

    def ask():
        while len(allowed) < until:
            us = allow(keys=[f"rate:{user}"], args=[LIMIT, WINDOW_US, secrets.token_hex(8)])
            if us:
                with lock:
                    allowed.append(us)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    allowed.sort()
    for first, next_window in zip(allowed, allowed[LIMIT:]):
        assert next_window - first >= WINDOW_US, f"{LIMIT + 1} requests within {next_window - first} us"
    assert len(set(allowed[:LIMIT])) == LIMIT and allowed[LIMIT - 1] - allowed[0] < WINDOW_US, "the first ones go through"


def log_in(connection, number, seconds):
    token = secrets.token_urlsafe(16)
    with connection.pipeline() as pipe:
        pipe.hset(f"session:{token}", mapping={"user": number, "theme": "dark", "basket": "x" * number})
        pipe.pexpire(f"session:{token}", int(seconds * 1000))
        pipe.sadd(f"user:{number}:sessions", token)
        pipe.execute()
    return token


def visit(connection, token):
    """Whoever comes back is remembered for longer."""
    with connection.pipeline() as pipe:
        pipe.hgetall(f"session:{token}")
        pipe.expire(f"session:{token}", 600, gt=True)
        pipe.hincrby(f"session:{token}", "visits", 1)
        session, _, visits = pipe.execute()
    return session, visits


def keep_sessions(connection):
    long = {log_in(connection, number, 300): number for number in range(SESSIONS)}
    for token, number in long.items():
        session, visits = visit(connection, token)
        assert session == {"user": str(number), "theme": "dark", "basket": "x" * number} and visits == 1
    ends = {token: connection.pexpiretime(f"session:{token}") for token in long}
    print("kill", flush=True)
    assert sys.stdin.readline() == "back\n"
    for token, number in long.items():
        assert connection.pexpiretime(f"session:{token}") == ends[token], "a deadline stays what it was"
        assert connection.hget(f"session:{token}", "user") == str(number)
        assert connection.sismember(f"user:{number}:sessions", token)
    # Those that nobody comes back to go by themselves, each with an event.
    connection.config_set("notify-keyspace-events", "Ex")
    ended = connection.pubsub()
    ended.subscribe("__keyevent@0__:expired")
    assert ended.get_message(timeout=5)["type"] == "subscribe"
    short = {log_in(connection, number, 0.3) for number in range(SESSIONS)}
    gone = set()
    while gone != short:
        message = ended.get_message(timeout=10)
        assert message is not None, f"{len(short - gone)} sessions do not end"
        # The library subscribes again where it connects again.
        if message["type"] == "message" and message["data"].startswith("session:"):
            gone.add(message["data"].removeprefix("session:"))
    left = {key.removeprefix("session:") for key in connection.scan_iter("session:*", count=50)}
    assert left == set(long), "what is left is what is used"


def main(port):
    connection = connect(port)
    limit_rates(connection, "anna", 3 * LIMIT)
    keep_sessions(connect(int(os.environ["TLS_PORT"]), ssl=True, ssl_ca_certs=os.environ["TLS_CERT"]))
    # The script was not kept across the restart: the library notices, and sends it again.
    limit_rates(connection, "anna", 3 * LIMIT)
    print(f"{6 * LIMIT} requests were let through, {2 * SESSIONS} sessions kept")


signal.alarm(int(sys.argv[2]))
main(int(sys.argv[1]))
