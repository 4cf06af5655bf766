"""The limit of the bus: pika takes messages from a queue, decodes them and acknowledges, and that is all.

`python -m bench.peers.consume URL QUEUE MESSAGES batches|notifications` prints the seconds from the first delivery to
the last acknowledgement, and the samples it saw, or the notifications.
"""

import sys
import time

import pika

from bench.product import decoded, decoded_notification

# How each is read, and the prefetch and the messages acknowledged together that were the fastest of those tried.
KINDS = {"batches": (decoded, 100, 10), "notifications": (decoded_notification, 1000, 100)}


def main(url: str, queue: str, messages: str, kind: str) -> None:
    """Consumes so many messages."""
    read, prefetch, together = KINDS[kind]
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 0
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=prefetch)
    wanted, samples, begun = int(messages), 0, 0.0
    for seen, (method, _, body) in enumerate(channel.consume(queue), 1):
        begun = begun or time.perf_counter()
        samples += read(body)
        if seen % together == 0 or seen == wanted:
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
