"""Writes the corpus: the bytes that a real dramatiq stores in Redis, one message a line, its name before it.

    KIT_REDIS_URL=redis://localhost:6379 KIT_NAMESPACE=corpus target/venv/bin/python tests/corpus/capture.py > tests/corpus/written.msgs

Nothing is made up here: every message is sent with `send`, or comes out of a worker, and is read back from the hash that a
worker would read it from. Lines of tracebacks that quote the library are cut, everything else is byte for byte.
"""

import os
import re
import sys
import time

import dramatiq
from dramatiq import group
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import StubBackend

NAMESPACE = os.environ["KIT_NAMESPACE"]
broker = RedisBroker(url=os.environ["KIT_REDIS_URL"], namespace=NAMESPACE)
broker.add_middleware(GroupCallbacks(StubBackend()))
dramatiq.set_broker(broker)


@dramatiq.actor
def count_to(*args, **kwargs):
    return args


@dramatiq.actor
def add(*args):
    return sum(args)


# On a queue that the worker does not consume, so that its messages stay where they can be read.
@dramatiq.actor(queue_name="told")
def told(*args): ...


@dramatiq.actor(min_backoff=60_000)
def fail(*args, **kwargs):
    raise ValueError("boom \u00e9\u2603\U0001f600")


@dramatiq.actor(queue_name="mail.high_2-x")
def mail(*args): ...


# Ids and times; a hash has no order of its own.
VARIES = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|1[0-9]{12}")


def stored():
    """Takes whatever messages lie in Redis, those that a worker has in its memory included."""
    found = []
    for key in sorted(broker.client.scan_iter(NAMESPACE + ":*.msgs")):
        found += sorted(broker.client.hvals(key), key=lambda body: VARIES.sub(b"", body))
    for key in list(broker.client.scan_iter(NAMESPACE + ":*")):
        broker.client.delete(key)
    return found


FRAME = re.compile(rb'  File \\"[^"]*/dramatiq/.*?(?=  File |\w*(?:Error|Exception))')
PLACE = re.compile(rb'File \\"[^"]*\\"')


def show(name, bodies):
    for number, body in enumerate(bodies):
        body = FRAME.sub(b"", body)
        body = PLACE.sub(rb'File \"actors.py\"', body)
        label = name if len(bodies) == 1 else f"{name} {number + 1}"
        sys.stdout.buffer.write(label.encode() + b"\t" + body + b"\n")


def send(name, *args, **kwargs):
    count_to.send(*args, **kwargs)
    show(name, stored())


def send_with(name, actor=count_to, args=(), kwargs=None, delay=None, **options):
    actor.send_with_options(args=args, kwargs=kwargs or {}, delay=delay, **options)
    show(name, stored())


def work(name, message):
    """What lies in Redis once a worker has run a message, retries and callbacks included."""
    worker = dramatiq.Worker(broker, queues={"default"}, worker_threads=1, worker_timeout=50)
    message = broker.enqueue(message)
    worker.start()
    started = time.monotonic()
    # Done: of the message as it was sent nothing is left.
    while broker.client.hexists(f"{NAMESPACE}:default.msgs", message.options["redis_message_id"]):
        assert time.monotonic() - started < 30, name
        time.sleep(0.005)
    worker.stop()
    show(name, stored())


stored()

# Arguments.
send("nothing")
send("integers", 0, -1, 7, 2**53 + 1, -(2**63), 2**64 - 1)
send("integers beyond 64 bit", 2**64, -(2**64), 10**40, -(10**300))
send("floats", 0.0, -0.0, 1.0, -1.5, 0.1, 1e16, 1e22, 1e-7, 5e-324, 2.5e-8, 123456789.123456789)
send("large floats", 1e100, -1e100, 1.7976931348623157e308)
send("floats that are no number", float("nan"), float("inf"), float("-inf"))
send("floats that are no number, by name", x=float("nan"), y=float("inf"), z=float("-inf"))
send("constants", True, False, None)
send("text", "", "a", "two words", "/slash/", "'", '"', "\\", "NaN", "Infinity")
send("control characters", "".join(map(chr, range(32))), "\x7f")
send("text beyond ascii", "\x80\xa0\xe9\xff", "\u2028\u2029\ufeff\ufffd\uffff", "\u2603")
send("surrogate pairs", "\U0001f600", "\U00010000\U0010ffff")
send("lone surrogates", "\ud800", "\udfff", "a\udc00\ud800b")
send("lists and tuples", [], [1, [2, [3, []]]], (), (1, ("a", None)))
send("objects", {}, {"a": {"b": {}}, "": 0}, {"k \u00e9": "\u00e9"})
send("keys that are no text", {1: "int", -2: "int", 1.5: "float", 1e100: "float", True: "bool", False: "bool", None: "none"})
send("an object with one key of two types", {1: "a", "1": "b"})
send("whole floats as keys", {1.0: 0, -0.0: 1})
send("not a number, as a key", {float("nan"): 1, float("inf"): 2})
send("deep", eval("[" * 80 + "]" * 80))
send("long", "x" * 5_000, list(range(500)))
send("an argument that looks like a message", {"queue_name": "q", "actor_name": "a", "args": [], "kwargs": {}, "options": {}})
# Refused by us, and documented: there is no typed value in there.
send("not a number inside of a list", [1.0, float("nan")])
send("infinity inside of an object", {"deep": [float("inf"), float("-inf")]})

# By keyword.
send("by keyword", n=3)
send("mixed", 1, "a", k=None, list=[1, 2])
send("keywords that are no identifiers", **{"": 1, "k \u00e9": 2, 'quo"te\\': 3, "\U0001f600": 4, "\x7f\n": 5})
send("keywords like fields", queue_name=1, args=2, options=3)

# Other queues and actors.
mail.send("x")
show("another queue", stored())

# Options of every kind.
send_with("delayed", args=(10,), delay=60_000)
send_with("delayed by nothing", args=(10,), delay=0)
send_with("with options", args=(1,), max_retries=3, min_backoff=100, max_backoff=2_000, max_age=86_400_000, notify_shutdown=True)
send_with("without end", args=(1,), max_retries=None)
send_with("no time limit", args=(1,), time_limit=float("inf"))
send_with("a time limit", args=(1,), time_limit=1_000)
send_with("priority", args=(1,), priority=-3)
send_with("callbacks", args=(1,), on_success="told", on_failure="told", on_retry_exhausted="told")
send_with("options of others", args=(1,), mine={"deep": [1, {"x": None}]}, list=[1, 2], text="\u00e9\ud800", big=2**70, **{"odd key": True})
send_with("not a number inside of an option", args=(1,), mine=[float("nan"), {"deep": float("-inf")}, "NaN"])

# Compositions.
(add.message(1, 2) | add.message(3)).run()
show("pipeline of two", stored())
(add.message(1, 2) | add.message(3) | add.message(4)).run()
show("pipeline of three", stored())
(add.message(1, 2) | add.message_with_options(args=(3,), time_limit=float("inf"))).run()
show("pipeline without a time limit", stored())
(add.message(1, 2) | add.message(3).copy(options={"pipe_ignore": True})).run(delay=60_000)
show("delayed pipeline", stored())
members = group([add.message(1), add.message(2)])
members.add_completion_callback(told.message("all done"))
members.run()
show("group member", stored())

# What comes out of a worker.
work("retry", fail.message(1, k="a"))
work("retry of a retry", fail.message(1).copy(options={"retries": 1, "traceback": "old"}))
work("dead letter", fail.message_with_options(args=(1,), max_retries=0))
work("told of success", add.message_with_options(args=(1, 2), on_success="told"))
work("told of failure", fail.message_with_options(args=(1,), max_retries=0, on_failure="told"))
work("told of the last failure", fail.message_with_options(args=(1,), max_retries=0, on_retry_exhausted="told"))
work("second of a pipeline", (add.message(1, 2) | told.message("first")).messages[0])
broker.close()
