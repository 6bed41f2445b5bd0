"""Payments that go through a queue of RQ: at once, later, and some only at the second try, with several workers. The server
is killed when half of them are booked, and in the end each has been booked once."""

import signal
import subprocess
import sys
import time
from datetime import timedelta

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from rq import Queue, SimpleWorker
from rq import Retry as JobRetry
from rq.intermediate_queue import IntermediateQueue
from rq.scheduler import RQScheduler

AT_ONCE, LATER, TWICE = 120, 30, 15
WORKERS = 3

BOOK = """
if redis.call('SADD', KEYS[1], ARGV[1]) == 1 then
    redis.call('INCRBY', KEYS[2], ARGV[2])
end
redis.call('HINCRBY', KEYS[3], ARGV[1], 1)
"""


def connect(port):
    # A server that is down comes back; until then everybody tries again.
    retry = Retry(ConstantBackoff(0.05), 400)
    return redis.Redis(port=port, retry=retry, retry_on_error=[redis.ConnectionError])


def book(port, number, amount, fails_first=False):
    """The job: it may be run twice when the server dies in the middle, and then books nothing the second time."""
    connection = connect(port)
    if fails_first and connection.hincrby("attempts", number, 1) == 1:
        raise ValueError("the bank is asleep")
    connection.eval(BOOK, 3, "booked", "balance", "runs", number, amount)


def worker(port):
    while True:
        try:
            SimpleWorker([Queue("payments", connection=connect(port))]).work(logging_level="CRITICAL")
            return
        except redis.RedisError as error:
            print(f"a worker starts again: {error}", file=sys.stderr)


def enqueue(queue, port):
    amounts = {number: number * 7 + 1 for number in range(AT_ONCE + LATER + TWICE)}
    for number, amount in amounts.items():
        # As long as this file is where it is, workers find the job by its name.
        call = {"args": (port, number, amount), "job_id": f"payment-{number}"}
        if number < AT_ONCE:
            queue.enqueue("queue_of_jobs.book", **call)
        elif number < AT_ONCE + LATER:
            queue.enqueue_in(timedelta(seconds=1), "queue_of_jobs.book", **call)
        else:
            queue.enqueue("queue_of_jobs.book", **call, kwargs={"fails_first": True}, retry=JobRetry(max=3))
    return amounts


def give_out_again(queue, connection):
    """What the death of the server left in the hands of workers that do not know of it any more. RQ does it after minutes."""
    limbo = IntermediateQueue(queue.key, connection)
    for job_id in limbo.get_job_ids():
        limbo.remove(job_id)
        queue.push_job_id(job_id)
    queue.started_job_registry.cleanup(timestamp=time.time() + 3600)
    for job_id in queue.failed_job_registry.get_job_ids():
        queue.failed_job_registry.requeue(job_id)


def main(port):
    connection = connect(port)
    queue = Queue("payments", connection=connection)
    amounts = enqueue(queue, port)
    assert queue.count == AT_ONCE + TWICE and queue.scheduled_job_registry.count == LATER
    workers = [subprocess.Popen([sys.executable, __file__, str(port), "worker"]) for _ in range(WORKERS)]
    scheduler = RQScheduler([queue], connection=connection)
    assert scheduler.acquire_locks()
    try:
        killed, busy, seen = False, time.monotonic(), 0
        while (booked := connection.scard("booked")) < len(amounts):
            scheduler.enqueue_scheduled_jobs()
            if not killed and booked >= len(amounts) // 2:
                print("kill", flush=True)
                killed = True
            if booked > seen or queue.scheduled_job_registry.count > 0:
                busy, seen = time.monotonic(), booked
            elif time.monotonic() - busy > 2:
                give_out_again(queue, connection)
                busy = time.monotonic()
            time.sleep(0.02)
    finally:
        for each in workers:
            each.kill()
    assert {int(number) for number in connection.smembers("booked")} == set(amounts)
    assert int(connection.get("balance")) == sum(amounts.values())
    runs = {int(number): int(times) for number, times in connection.hgetall("runs").items()}
    assert sum(runs.values()) <= len(amounts) + WORKERS, runs
    attempts = [int(times) for times in connection.hvals("attempts")]
    assert len(attempts) == TWICE and min(attempts) == 2, attempts
    print(f"{len(amounts)} payments booked once, {sum(runs.values()) - len(amounts)} of them tried again")


if __name__ == "__main__":
    if sys.argv[2] == "worker":
        worker(int(sys.argv[1]))
    else:
        signal.signal(signal.SIGALRM, lambda *_: sys.exit("it takes too long"))
        signal.alarm(int(sys.argv[2]))
        main(int(sys.argv[1]))
