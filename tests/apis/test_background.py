import threading
import time

import pytest

from ganet_mm.apis.background import InOrder, read_ahead


def test_items_come_in_order_and_from_another_thread():
    def numbers():
        for number in range(20):
            yield number, threading.get_ident()

    items = list(read_ahead(numbers(), 3))
    assert [number for number, _ in items] == list(range(20))
    assert threading.get_ident() not in {thread for _, thread in items}


def test_no_more_is_read_than_asked_for():
    read = []

    def numbers():
        for number in range(100):
            read.append(number)
            yield number

    ahead = read_ahead(numbers(), 3)
    assert next(ahead) == 0
    time.sleep(0.2)
    assert 1 <= len(read) <= 4
    ahead.close()
    assert len(read) <= 4


def test_an_error_comes_at_its_place_and_the_generator_is_closed():
    closed = []

    def numbers():
        try:
            yield 0
            yield 1
            raise ValueError("third")
        finally:
            closed.append(True)

    found = []
    with pytest.raises(ValueError, match="third"):
        for number in read_ahead(numbers(), 8):
            found.append(number)
    assert found == [0, 1] and closed == [True]


def test_closed_early_it_closes_the_generator_and_leaves_no_thread():
    closed = []

    def numbers():
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    threads = threading.active_count()
    ahead = read_ahead(numbers(), 2)
    next(ahead)
    ahead.close()
    assert closed == [True] and threading.active_count() == threads


def test_calls_run_in_order_beside_the_caller():
    done, go = [], threading.Event()
    later = InOrder(5)
    later.submit(go.wait)
    for number in range(4):
        later.submit(done.append, number)
    assert done == []
    go.set()
    later.finish()
    assert done == [0, 1, 2, 3]
    later.close()


@pytest.mark.parametrize("finish", [True, False])
def test_an_error_of_a_call_is_raised(finish):
    later = InOrder(1)
    later.submit(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        if finish:
            later.finish()
        else:
            later.submit(print)
    later.close()


def test_close_forgets_what_waits():
    done, go = [], threading.Event()
    later = InOrder(5)
    later.submit(go.wait)
    later.submit(done.append, 1)
    threading.Timer(0.1, go.set).start()
    later.close()
    assert done == []
