"""The same actors on dramatiq; as a program, it sends messages and prints how many a second that were."""

import os
import sys
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=os.environ["BENCH_REDIS_URL"], namespace=os.environ["BENCH_NAMESPACE"])
dramatiq.set_broker(broker)


@dramatiq.actor
def no_op():
    pass


@dramatiq.actor
def reply(key):
    broker.client.rpush(key, "here")


if __name__ == "__main__":
    count = int(sys.argv[1])
    start = time.perf_counter()
    for _ in range(count):
        no_op.send()
    print(count / (time.perf_counter() - start))
