"""The newest samples: told where requests arrive if that takes no longer than to wake a thread, else by a thread."""

from collections.abc import Callable, Iterable

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.dependencies import SampleStore
from api.v2 import answer
from storage.query import SampleQuery
from storage.reading.stored import FoundSample


async def newest(
    store: SampleStore, query: SampleQuery, limit: int, text: Callable[[Iterable[FoundSample]], str]
) -> Response:
    """What `text` makes of them."""
    found = await store.newest_soon(query, limit)
    if found is not None:
        return answer.text(text(found))
    return await run_in_threadpool(lambda: answer.text(text(store.newest(query, limit))))
