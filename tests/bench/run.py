"""Does a run for each line of standard input, and prints how many nanoseconds it took: `tests/bench/start.rs`."""

import sys
import time

import barque

client = barque.from_env()
for _ in sys.stdin:
    begin = time.perf_counter_ns()
    client.containers.run("testbox", ["exit", "0"], remove=True, network_mode="none")
    print(time.perf_counter_ns() - begin, flush=True)
