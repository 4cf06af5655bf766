"""The limit of the bus: pika takes messages from a queue, decodes them and acknowledges, and that is all.

`python -m bench.peers.consume URL QUEUE MESSAGES` prints the seconds from the first delivery to the last
acknowledgement, and the samples it saw.
"""

import sys
import time

import pika

from bench.product import decoded

# The fastest of those tried with messages of this size.
PREFETCH, TOGETHER = 100, 10


def main(url: str, queue: str, messages: str) -> None:
    """Consumes so many messages."""
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 0
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=PREFETCH)
    wanted, samples, begun = int(messages), 0, 0.0
    for seen, (method, _, body) in enumerate(channel.consume(queue), 1):
        begun = begun or time.perf_counter()
        samples += decoded(body)
        if seen % TOGETHER == 0 or seen == wanted:
            channel.basic_ack(method.delivery_tag, multiple=True)
        if seen == wanted:
            break
    connection.process_data_events(0)
    taken = time.perf_counter() - begun
    channel.cancel()
    connection.close()
    sys.stdout.write(f"{taken} {samples}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
