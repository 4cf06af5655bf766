"""The newest samples: told where requests arrive if that takes no longer than to wake a thread, else by a thread."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.dependencies import SampleStore
from api.v2 import answer
from api.v2.sample_text import Written
from storage.query import SampleQuery


async def newest(store: SampleStore, query: SampleQuery, limit: int, written: Written) -> Response:
    """What is `written` of them."""
    found = await store.newest_soon(query, limit)
    if found is not None:
        return answer.text(written.again(found))
    return await run_in_threadpool(lambda: answer.text(written.all(store.newest(query, limit))))
