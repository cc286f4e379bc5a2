"""Ordinary programs: the standard library, files, threads and processes in moderation."""


def searches_with_regular_expressions():
    import re

    text = "2024-02-29 boot ok\n2025-13-01 disk full\n2025-03-01 boot failed"
    dates = re.findall(r"^(\d{4})-(0[1-9]|1[0-2])-(\d\d)", text, re.M)
    words = re.sub(r"(?P<first>\w)(?P<rest>\w*)", lambda m: m["first"].upper() + m["rest"], "a few words")
    return [[list(date) for date in dates], words, re.split(r"\s*[,;]\s*", "a , b;c")]


def calculates_with_dates():
    from datetime import date, datetime, timedelta, timezone

    start = datetime(2024, 2, 28, 23, 30, tzinfo=timezone(timedelta(hours=2)))
    later = start + timedelta(days=1, minutes=45)
    return [
        later.isoformat(),
        later.astimezone(timezone.utc).isoformat(),
        (date(2025, 1, 1) - date(2024, 1, 1)).days,
        date(2024, 12, 30).isocalendar().week,
        datetime.strptime("03/04/2021", "%d/%m/%Y").strftime("%Y-%m-%d %j"),
    ]


def takes_json_there_and_back():
    import json

    value = {"text": "zwölf \u2603 \U0001f600", "numbers": [0, -1, 2.5, 1e-9], "none": None, "deep": [[[]]]}
    there = json.dumps(value, sort_keys=True, separators=(",", ":"))
    try:
        json.loads("{'a': 1}")
    except json.JSONDecodeError as error:
        return [json.loads(there) == value, there, error.pos]
    return []


def reads_and_writes_csv():
    import csv
    import io

    out = io.StringIO()
    writer = csv.DictWriter(out, ["name", "said"], lineterminator="\n")
    writer.writeheader()
    writer.writerows([{"name": "a,b", "said": 'a "word"'}, {"name": "c", "said": "two\nlines"}])
    return [out.getvalue(), list(csv.DictReader(io.StringIO(out.getvalue())))]


def combines_iterators():
    import itertools

    runs = [[key, len(list(group))] for key, group in itertools.groupby("aaabccdd")]
    pairs = ["".join(pair) for pair in itertools.combinations("abcd", 2)]
    sums = list(itertools.accumulate(range(1, 8)))
    zipped = [list(z) for z in itertools.zip_longest("ab", "xyz", fillvalue="-")]
    return [runs, pairs, sums, zipped, list(itertools.islice(itertools.cycle([1, 2]), 5))]


def remembers_results():
    import functools

    @functools.lru_cache(maxsize=None)
    def ways(amount, coins=(50, 20, 10, 5, 2, 1)):
        if amount == 0:
            return 1
        if amount < 0 or not coins:
            return 0
        return ways(amount - coins[0], coins) + ways(amount, coins[1:])

    return [ways(200), ways.cache_info().hits > 0, functools.reduce(lambda a, b: a * b, range(1, 11))]


def counts_with_collections():
    from collections import ChainMap, Counter, OrderedDict, defaultdict, deque

    counts = Counter("mississippi")
    groups = defaultdict(list)
    for word in ("apple", "avocado", "banana", "blueberry", "cherry"):
        groups[word[0]].append(word)
    ring = deque(range(5), maxlen=5)
    ring.rotate(2)
    order = OrderedDict.fromkeys("cba")
    order.move_to_end("c")
    both = ChainMap({"a": 1}, {"b": 3})
    return [counts.most_common(2), dict(groups), list(ring), "".join(order), both["b"]]


def keeps_things_sorted():
    import bisect
    import heapq

    numbers = []
    for number in (5, 1, 4, 2, 3):
        bisect.insort(numbers, number)
    grades = ["FDCBA"[bisect.bisect([60, 70, 80, 90], score)] for score in (33, 99, 77, 70, 89)]
    merged = list(heapq.merge([1, 4, 7], [2, 5, 8], [3, 6, 9]))
    return [numbers, grades, merged, heapq.nlargest(2, [4, 8, 1, 9])]


def does_statistics():
    import math
    import statistics

    data = [2, 4, 4, 4, 5, 5, 7, 9]
    return [
        statistics.mean(data),
        statistics.median(data),
        statistics.pstdev(data),
        statistics.mode(data),
        statistics.quantiles(data, n=4),
        math.gcd(84, 120),
        math.comb(10, 3),
        math.isqrt(10**12),
    ]


def calculates_exactly():
    from decimal import ROUND_HALF_UP, Decimal, localcontext
    from fractions import Fraction

    third = Fraction(1, 3) + Fraction("0.25")
    with localcontext() as context:
        context.prec = 30
        root = Decimal(2).sqrt()
    cents = Decimal("2.675").quantize(Decimal("0.01"), ROUND_HALF_UP)
    return [str(third), str(root), str(cents), str(Fraction(3.14159).limit_denominator(100)), 0.1 + 0.2]


def draws_repeatable_numbers():
    import random

    source = random.Random(20240229)
    again = random.Random(20240229)
    numbers = [source.randint(1, 100) for _ in range(5)]
    return [numbers == [again.randint(1, 100) for _ in range(5)], round(random.Random(7).random(), 12)]


def hashes_and_encodes():
    import base64
    import hashlib
    import hmac
    import zlib

    data = "Grüße".encode()
    return [
        hashlib.sha256(data).hexdigest(),
        hashlib.blake2b(data, digest_size=8).hexdigest(),
        hmac.new(b"key", data, "sha1").hexdigest(),
        base64.b64encode(data).decode(),
        base64.b85decode(base64.b85encode(data)) == data,
        zlib.crc32(data),
    ]


def packs_and_compresses():
    import array
    import struct
    import zlib

    packed = struct.pack(">HiQ4sd", 7, -2, 2**60, b"abcd", 0.5)
    text = b"the same words again and again " * 50
    squeezed = zlib.compress(text, 9)
    numbers = array.array("i", range(5))
    numbers.byteswap()
    same = zlib.decompress(squeezed) == text and len(squeezed) < 100
    return [packed.hex(), list(struct.unpack(">Hi", packed[:6])), same, numbers.tobytes().hex()]


def wraps_and_compares_text():
    import difflib
    import string
    import textwrap

    text = "The quick brown fox jumps over the lazy dog and runs away."
    close = difflib.get_close_matches("aple", ["ape", "apple", "peach"])
    diff = list(difflib.unified_diff(["a", "b"], ["a", "c"], lineterm=""))
    filled = string.Template("$who owes $$${sum}").substitute(who="Ada", sum=5)
    return [textwrap.wrap(text, 20), textwrap.dedent("  a\n    b"), close, diff, filled]


def uses_temporary_files():
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "data.bin")
        with open(path, "wb") as file:
            file.write(bytes(range(256)))
        with open(path, "rb") as file:
            file.seek(-4, os.SEEK_END)
            tail = list(file.read())
        size = os.path.getsize(path)
    with tempfile.TemporaryFile("w+") as file:
        print("one", "two", sep="\n", file=file)
        file.seek(0)
        lines = file.read().splitlines()
    return [tail, size, lines, os.path.exists(folder)]


def works_in_its_folder():
    import pathlib
    import shutil

    folder = pathlib.Path("notes") / "2024"
    folder.mkdir(parents=True)
    for name in ("b.txt", "a.txt", "c.md"):
        (folder / name).write_text(name.upper(), encoding="utf-8")
    (folder / "a.txt").rename(folder / "d.txt")
    found = sorted(path.as_posix() for path in pathlib.Path("notes").rglob("*.txt"))
    said = (folder / "d.txt").read_text(encoding="utf-8")
    shutil.rmtree("notes")
    return [found, said, folder.exists(), pathlib.PurePosixPath("/a/b.tar.gz").suffixes]


def queries_a_database():
    import sqlite3

    with sqlite3.connect(":memory:") as database:
        database.execute("create table person (name text, born integer)")
        people = [("Ada", 1815), ("Alan", 1912), ("Grace", 1906)]
        database.executemany("insert into person values (?, ?)", people)
        rows = database.execute("select name from person where born > ? order by born", (1900,)).fetchall()
        average = database.execute("select avg(born) from person").fetchone()[0]
    return [[row[0] for row in rows], round(average, 2)]


def shares_work_among_threads():
    import queue
    import threading

    tasks, results, lock = queue.Queue(), [], threading.Lock()

    def work():
        while (number := tasks.get()) is not None:
            with lock:
                results.append(number * number)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in [*range(20), *[None] * 4]:
        tasks.put(number)
    for thread in threads:
        thread.join()
    return sorted(results)


def maps_over_a_thread_pool():
    from concurrent.futures import ThreadPoolExecutor, as_completed

    with ThreadPoolExecutor(max_workers=3) as pool:
        lengths = list(pool.map(len, ["a", "bb", "ccc"]))
        futures = [pool.submit(pow, 2, number) for number in range(6)]
        powers = sorted(future.result() for future in as_completed(futures))
        failed = pool.submit(int, "x").exception()
    return [lengths, powers, type(failed).__name__]


def runs_another_interpreter():
    import subprocess
    import sys

    code = "import sys; print(sum(map(int, sys.stdin.read().split()))); sys.exit(3)"
    done = subprocess.run([sys.executable, "-I", "-c", code], input="1 2 3", capture_output=True, text=True)
    return [done.stdout, done.stderr, done.returncode]


def forks_a_worker():
    import os

    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, str(sum(range(1000))).encode())
        os._exit(7)
    os.close(write)
    with open(read, "rb") as pipe:
        said = pipe.read().decode()
    return [said, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]


def runs_tasks_concurrently():
    import asyncio

    async def main():
        order, gate = [], asyncio.Event()

        async def worker(name):
            await gate.wait()
            order.append(name)
            await asyncio.sleep(0.001)
            return name * 2

        tasks = [asyncio.create_task(worker(name)) for name in "abc"]
        await asyncio.sleep(0)
        gate.set()
        results = await asyncio.gather(*tasks)
        try:
            await asyncio.wait_for(asyncio.sleep(5), 0.01)
        except asyncio.TimeoutError:
            order.append("late")
        return [order, results]

    return asyncio.run(main())


def echoes_over_a_socket_pair():
    import socket
    import threading

    ours, theirs = socket.socketpair()

    def echo():
        with theirs:
            while data := theirs.recv(1024):
                theirs.sendall(data.upper())

    thread = threading.Thread(target=echo)
    thread.start()
    with ours:
        ours.sendall(b"hello")
        said = ours.recv(1024).decode()
        ours.shutdown(socket.SHUT_WR)
        rest = ours.recv(1024)
    thread.join()
    return [said, len(rest)]


def waits_on_pipes():
    import os
    import selectors

    read, write = os.pipe()
    with selectors.DefaultSelector() as selector:
        selector.register(read, selectors.EVENT_READ)
        nothing = selector.select(0.01)
        os.write(write, b"x" * 5)
        ready = [key.fd == read for key, _ in selector.select(1)]
        said = os.read(read, 100).decode()
    os.close(read)
    os.close(write)
    return [len(nothing), ready, said]


def handles_a_signal():
    import signal
    import time

    seen = []
    old = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(signal.Signals(number).name))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    started = time.monotonic()
    while not seen and time.monotonic() - started < 5:
        time.sleep(0.002)
    signal.signal(signal.SIGALRM, old)
    return seen


def measures_time():
    import time

    started = time.perf_counter()
    time.sleep(0.01)
    took = time.perf_counter() - started
    return [took >= 0.0099, time.time() > 1.6e9, time.strftime("%Y-%m-%d", time.gmtime(0))]


def takes_addresses_apart():
    from urllib.parse import parse_qs, quote, unquote, urlencode, urljoin, urlsplit

    parts = urlsplit("https://user@example.org:8080/a/b?x=1&x=2&y=%C3%A4#end")
    return [
        [parts.scheme, parts.hostname, parts.port, parts.path, parts.fragment],
        parse_qs(parts.query),
        urlencode({"q": "a b", "r": "ä"}),
        [quote("a/b c"), unquote("%e2%82%ac")],
        urljoin("http://h/a/b", "../c"),
    ]


def names_things_by_uuid():
    import uuid

    name = uuid.uuid5(uuid.NAMESPACE_DNS, "example.org")
    return [str(name), name.version, len({uuid.uuid4() for _ in range(10)})]


def logs_to_a_text():
    import io
    import logging

    out = io.StringIO()
    logger = logging.getLogger("benign")
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.debug("unheard")
    logger.warning("%d of %s", 3, "many")
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("failed")
    lines = out.getvalue().splitlines()
    return [lines[:2], lines[-1]]


def parses_arguments_and_settings():
    import argparse
    import configparser
    import shlex
    import tomllib

    parser = argparse.ArgumentParser(prog="tool")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--level", type=int, default=1)
    options = parser.parse_args(shlex.split("'a b' c --level 3"))
    settings = configparser.ConfigParser()
    settings.read_string("[main]\nname = x\ncount = 4\n")
    table = tomllib.loads('title = "t"\n[a.b]\nlist = [1, 2]\n')
    return [vars(options), settings.getint("main", "count"), table]


def packs_archives():
    import gzip
    import io
    import tarfile
    import zipfile

    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "alpha")
        archive.writestr("b/c.txt", "gamma")
    with zipfile.ZipFile(box) as archive:
        names, said = archive.namelist(), archive.read("b/c.txt").decode()
    box = io.BytesIO()
    with tarfile.open(fileobj=box, mode="w") as archive:
        info = tarfile.TarInfo("x.bin")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    box.seek(0)
    with tarfile.open(fileobj=box) as archive:
        content = archive.extractfile("x.bin").read().decode()
    return [names, said, content, gzip.decompress(gzip.compress(b"again")).decode()]


def maps_memory():
    import mmap

    with open("mapped.bin", "wb") as file:
        file.write(b"0123456789" * 500)
    with open("mapped.bin", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0:4] = b"abcd"
        at = memory.find(b"9012")
        memory.flush()
    with open("mapped.bin", "rb") as file:
        head = file.read(6).decode()
    with mmap.mmap(-1, 1 << 20) as memory:
        memory[-1] = 7
        last = memory[len(memory) - 1]
    return [head, at, last]


def reads_markup():
    import html
    from html.parser import HTMLParser
    from xml.etree import ElementTree

    class Links(HTMLParser):
        found = []

        def handle_starttag(self, tag, attributes):
            self.found += [value for name, value in attributes if name == "href"]

    Links().feed('<p><a href="/x">x</a> <a class=c href=y>y</a></p>')
    tree = ElementTree.fromstring("<r><i n='1'>a</i><i n='2'>b</i></r>")
    return [Links.found, {item.get("n"): item.text for item in tree}, html.escape("<&>")]


def refers_weakly_and_pickles():
    import gc
    import pickle
    import weakref

    class Node:
        pass

    node = Node()
    node.itself = node
    reference = weakref.ref(node)
    alive = reference() is node
    del node
    gc.collect()
    data = {"a": {1, 2}, "b": (3, b"x"), "c": 1 + 2j}
    return [alive, reference() is None, pickle.loads(pickle.dumps(data)) == data]


def asks_about_itself():
    import inspect
    import os
    import platform
    import sys

    def sample(a, /, b, *rest, c=1, **more):
        """Doc."""

    signature = str(inspect.signature(sample))
    return [signature, sys.version_info >= (3, 11), platform.system(), os.getpid() > 0, len(os.urandom(8))]
