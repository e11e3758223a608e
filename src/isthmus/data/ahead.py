"""Work ahead in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")
_END = object()


def ahead(make: Callable[[], Iterator[T]]) -> Iterator[T]:
    """The items of ``make()``, each made by a thread while the caller is busy with the one before.

    At most two items are alive at a time, if the caller keeps none. The thread has ended when the iterator is
    exhausted, closed or dropped, and when either side raises; an error in the thread is raised here.
    """
    made: queue.Queue = queue.Queue()
    room, stopped = threading.Semaphore(2), threading.Event()

    def work() -> None:
        try:
            items = make()
            while True:
                room.acquire()
                if stopped.is_set():
                    return
                item = next(items, _END)
                made.put((item, None))
                if item is _END:
                    return
                del item  # or it would live for as long as the thread waits for room
        except BaseException as error:  # whatever it is, it is the caller's to handle
            made.put((_END, error))

    # A daemon, so that an interpreter that ends without closing the iterator does not wait for it.
    thread = threading.Thread(target=work, name="isthmus-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
            del item
            room.release()
    finally:
        stopped.set()
        room.release()
        if thread is not threading.current_thread():  # where the collector may have closed a forgotten iterator
            thread.join()
