"""The pool with real helper processes: they hang, crash, run out of memory, and the next frame is served."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from framecache.codecs import codec_pool
from framecache.codecs.codec_pool import (
    CodecCrashed,
    CodecError,
    CodecPool,
    CodecTimeout,
    CodecUnavailable,
    Undecodable,
)
from framecache.codecs.helper_process import HelperProcess
from framecache.codecs.targets import LOSSLESS_TARGETS, LOSSY_TARGETS
from framecache.dicomweb.rendering_parameters import parse_rendering
from framecache.errors import Overloaded, Stopping
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.codecs.process.frames import Frame, frames, grey
from tests.unit.fakes import FakeLog

EXPLICIT, HTJ2K = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.201"
MEMORY = 1 << 30
SHORT = 3.0  # seconds; a small frame takes less even in a new process on a busy machine
FRAMES = list(frames())
SMALL = next(frame for frame in FRAMES if frame.name == "RLE 12 bits")
PLUGIN = Path(__file__).parents[3] / "plugin"

# A list of its own takes the place of that of all tests, in which the second one is.
MAY_BE_SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

NewPool = Callable[..., CodecPool]


@pytest.fixture
def new_pool() -> Iterator[NewPool]:
    pools = []

    def new(
        python: str = sys.executable, processes: int = 1, memory_limit: int = MEMORY, deadline: float = 20
    ) -> CodecPool:
        pools.append(CodecPool(python, processes, memory_limit, deadline))
        return pools[-1]

    yield new
    for pool in pools:
        pool.close()


@pytest.fixture(scope="module")
def shared_pool() -> Iterator[CodecPool]:
    """For tests that leave it as it was."""
    pool = CodecPool(sys.executable, 1, MEMORY, 20)
    yield pool
    pool.close()


def children(parent: int | None = None) -> list[int]:
    """The helper processes of that process, or of this one."""
    found = subprocess.run(
        ["pgrep", "-P", str(parent or os.getpid()), "-f", "framecache.codecs.process"], capture_output=True, check=False
    )
    return [int(pid) for pid in found.stdout.split()]


def transcode(pool: CodecPool, frame: Frame = SMALL, target: str = EXPLICIT) -> bytes:
    return pool.transcode(frame.header(), frame.stored, 1, target)


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    give_up = time.monotonic() + seconds
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.name)
def test_every_transfer_syntax_becomes_explicit_little_endian(shared_pool: CodecPool, frame: Frame) -> None:
    assert len(transcode(shared_pool, frame)) == frame.pixels.nbytes


def test_there_and_back_again_is_the_same(shared_pool: CodecPool) -> None:
    pixels = grey("u2", 12, 500, 700)
    frame = Frame("native", EXPLICIT, pixels.tobytes(), pixels, "MONOCHROME2", 12)
    small = transcode(shared_pool, frame, HTJ2K)
    assert len(small) < 0.6 * pixels.nbytes
    compressed = Frame("small", HTJ2K, small, pixels, "MONOCHROME2", 12)
    assert transcode(shared_pool, compressed) == pixels.tobytes()


def test_a_view_of_a_larger_buffer_is_a_frame_too(shared_pool: CodecPool) -> None:
    buffer = memoryview(b"before" + SMALL.stored + b"after")
    view = buffer[6 : 6 + len(SMALL.stored)]
    assert shared_pool.transcode(SMALL.header(), view, 1, EXPLICIT) == SMALL.pixels.tobytes()


def test_a_picture_is_rendered(shared_pool: CodecPool) -> None:
    frame = Frame("picture", EXPLICIT, SMALL.pixels.tobytes(), SMALL.pixels, "MONOCHROME2", 12)
    picture = shared_pool.render(frame.header(), frame.stored, 1, parse_rendering({}, "image/png").to_message())
    assert picture.startswith(b"\x89PNG")


def test_a_fault_of_ours_costs_one_frame_and_tells_no_values(new_pool: NewPool) -> None:
    before, pool = set(children()), new_pool()
    transcode(pool)
    process = set(children()) - before
    with pytest.raises(Undecodable, match=r"^KeyError at rendering_parameters\.py:\d+$"):
        pool.render(SMALL.header(), SMALL.stored, 1, {"unknown": "Synthetic^Frame"})
    assert set(children()) - before == process


def test_no_process_starts_before_it_is_needed_and_one_is_enough_for_one_caller(new_pool: NewPool) -> None:
    before = set(children())
    pool = new_pool(processes=3)
    assert set(children()) == before
    for _ in range(3):
        transcode(pool)
    assert len(set(children()) - before) == 1


def test_a_process_that_ended_is_replaced_before_the_next_frame(new_pool: NewPool) -> None:
    before, pool = set(children()), new_pool(processes=2)
    transcode(pool)
    (first,) = set(children()) - before
    os.kill(first, signal.SIGKILL)
    with pytest.raises(CodecCrashed):
        transcode(pool)
    assert eventually(lambda: len(set(children()) - before - {first}) == 1)


def test_several_callers_are_served_at_once(new_pool: NewPool) -> None:
    before, pool = set(children()), new_pool(processes=2)
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: transcode(pool), range(40)))
    assert answers == [SMALL.pixels.tobytes()] * 40
    assert 1 <= len(set(children()) - before) <= 2
    assert pool.counts["frames"] == 40


@pytest.mark.parametrize("cut", [0, 3, 64, 500])
def test_a_broken_frame_is_undecodable_and_the_process_lives_on(new_pool: NewPool, cut: int) -> None:
    before, pool = set(children()), new_pool()
    transcode(pool)
    process = set(children()) - before
    with pytest.raises(Undecodable):
        pool.transcode(SMALL.header(), SMALL.stored[:cut], 1, EXPLICIT)
    assert transcode(pool) == SMALL.pixels.tobytes()
    assert set(children()) - before == process


def test_a_process_that_hangs_is_killed_by_the_deadline_and_replaced(new_pool: NewPool, log: FakeLog) -> None:
    before, pool = set(children()), new_pool(deadline=SHORT)
    transcode(pool)
    (hung,) = set(children()) - before
    os.kill(hung, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(CodecTimeout):
        transcode(pool)
    assert SHORT - 0.1 < time.monotonic() - started < 15
    assert hung not in children()
    assert transcode(pool) == SMALL.pixels.tobytes()
    assert pool.counts["timeouts"] == 1
    assert any("replacing a helper" in line for line in log.of("warning"))


def test_a_process_that_dies_is_replaced(new_pool: NewPool) -> None:
    before, pool = set(children()), new_pool()
    transcode(pool)
    (victim,) = set(children()) - before
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(CodecCrashed):
        transcode(pool)
    assert transcode(pool) == SMALL.pixels.tobytes()
    assert pool.counts["crashes"] == 1


def test_a_process_that_dies_with_a_frame_in_it_fails_that_frame_alone(new_pool: NewPool) -> None:
    before, pool = set(children()), new_pool(processes=2)
    pixels = grey("u2", 16, 3000, 3000)
    slow = Frame("slow", EXPLICIT, pixels.tobytes(), pixels, "MONOCHROME2", 16)
    with ThreadPoolExecutor(2) as callers:
        doomed = callers.submit(transcode, pool, slow, "1.2.840.10008.1.2.4.90")
        assert eventually(lambda: bool(set(children()) - before))
        time.sleep(0.8)
        for pid in set(children()) - before:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(CodecCrashed):
            doomed.result()
    assert transcode(pool) == SMALL.pixels.tobytes()


@pytest.mark.parametrize("side", [20_000, 65_535])
def test_an_image_too_large_for_the_limit_is_refused_before_it_is_decoded(shared_pool: CodecPool, side: int) -> None:
    header = SMALL.header(Rows=side, Columns=side)
    started = time.monotonic()
    with pytest.raises(Undecodable, match="the limit is"):
        shared_pool.transcode(header, SMALL.stored, 1, EXPLICIT)
    assert time.monotonic() - started < 20


def test_a_frame_that_takes_more_memory_than_allowed_is_refused(new_pool: NewPool) -> None:
    limit = 640 << 20
    pool = new_pool(memory_limit=limit)
    pixels = np.zeros((6200, 6200), np.uint16)
    assert pixels.nbytes < limit // 8
    bomb = Frame("bomb", EXPLICIT, pixels.tobytes(), pixels, "MONOCHROME2", 12)
    with pytest.raises(CodecError):
        transcode(pool, bomb, "1.2.840.10008.1.2.4.90")
    assert transcode(pool) == SMALL.pixels.tobytes()


def test_a_frame_larger_than_the_limit_is_not_even_sent(new_pool: NewPool) -> None:
    pool = new_pool(memory_limit=MEMORY)
    with pytest.raises(Undecodable, match="larger than"):
        pool.transcode(SMALL.header(), memoryview(bytearray(MEMORY + 1)), 1, EXPLICIT)


class SlowPython:
    """A Python that begins when a test says so; until then whoever starts it has the only process."""

    def __init__(self, folder: Path) -> None:
        self.path, self._started, self._may_begin = folder / "python3", folder / "started", folder / "may begin"
        wait = f"until [ -e '{self._may_begin}' ]; do sleep 0.02; done"
        self.path.write_text(f"""#!/bin/sh\ntouch '{self._started}'\n{wait}\nexec '{sys.executable}' "$@"\n""")
        self.path.chmod(0o755)

    def is_waiting(self) -> bool:
        return self._started.exists()

    def begin(self) -> None:
        self._may_begin.touch()


def test_callers_wait_for_a_free_process(new_pool: NewPool, tmp_path: Path) -> None:
    python = SlowPython(tmp_path)
    pool = new_pool(str(python.path))
    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(transcode, pool)
        assert eventually(python.is_waiting)
        waiting = callers.submit(transcode, pool)
        time.sleep(0.3)
        assert not waiting.done()
        python.begin()
        assert first.result() == waiting.result() == SMALL.pixels.tobytes()


def test_callers_are_told_when_no_process_comes_free(new_pool: NewPool, tmp_path: Path) -> None:
    python = SlowPython(tmp_path)
    pool = new_pool(str(python.path), deadline=SHORT)
    with ThreadPoolExecutor(1) as callers:
        first = callers.submit(transcode, pool)
        assert eventually(python.is_waiting)
        with pytest.raises(Overloaded):
            transcode(pool)
        python.begin()
        assert first.result() == SMALL.pixels.tobytes()
    assert transcode(pool) == SMALL.pixels.tobytes()


def test_closing_ends_the_processes_and_the_calls_under_way(new_pool: NewPool) -> None:
    before, pool = set(children()), new_pool(processes=2, deadline=60)
    transcode(pool)
    (process,) = set(children()) - before
    os.kill(process, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as callers:
        waiting = callers.submit(transcode, pool)
        time.sleep(0.2)
        started = time.monotonic()
        pool.close()
        with pytest.raises(Stopping):
            waiting.result(timeout=30)
    assert time.monotonic() - started < 15
    assert set(children()) == before
    pool.close()
    with pytest.raises(Stopping):
        transcode(pool)


def silent_python(folder: Path) -> tuple[Path, Path]:
    """One that never says hello, and the file that has its process ID as soon as it runs."""
    python, told = folder / "python3", folder / "pid"
    python.write_text(f"#!/bin/sh\necho $$ > {told}.new\nmv {told}.new {told}\nexec sleep 60\n")
    python.chmod(0o755)
    return python, told


def test_closing_ends_a_process_that_has_not_said_hello(log: FakeLog, tmp_path: Path) -> None:
    python, told = silent_python(tmp_path)
    pool = CodecPool(str(python), 1, MEMORY, 20)
    with ThreadPoolExecutor(1) as callers:
        waiting = callers.submit(transcode, pool)
        assert eventually(told.exists)
        started = time.monotonic()
        pool.close()
        with pytest.raises(Stopping):
            waiting.result(timeout=30)
    assert time.monotonic() - started < 15
    assert not _runs(int(told.read_text()))
    assert log.of("error") == []


def test_closing_ends_a_process_that_is_being_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python, told = silent_python(tmp_path)

    class JustStarted(HelperProcess):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            assert eventually(told.exists)
            pool.close()

    monkeypatch.setattr(codec_pool, "HelperProcess", JustStarted)
    pool, started = CodecPool(str(python), 1, MEMORY, 20), time.monotonic()
    with pytest.raises(Stopping):
        transcode(pool)
    assert time.monotonic() - started < 15
    assert not _runs(int(told.read_text()))


def test_closing_leaves_neither_threads_nor_descriptors_behind() -> None:
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        pool = CodecPool(sys.executable, 1, MEMORY, 20)
        transcode(pool)
        pool.close()
    assert eventually(lambda: threading.active_count() <= threads)
    assert eventually(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)


def test_a_process_does_not_outlive_its_orthanc() -> None:
    program = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from framecache.codecs.codec_pool import CodecPool\n"
        "pool = CodecPool(sys.executable, 1, 1 << 30, 20); pool.check()\n"
        "print(flush=True); time.sleep(60)"
    )
    host = subprocess.Popen([sys.executable, "-c", program, str(PLUGIN)], stdout=subprocess.PIPE)
    assert host.stdout is not None
    assert host.stdout.readline()
    (helper,) = children(host.pid)
    # A stopped process does not see the end of its input: only the kernel's signal can end it.
    os.kill(helper, signal.SIGSTOP)
    host.kill()
    host.wait()
    host.stdout.close()
    assert eventually(lambda: not _runs(helper))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_python_that_is_not_there_is_said_once(new_pool: NewPool, log: FakeLog) -> None:
    pool = new_pool(python="/nowhere/python3")
    for _ in range(3):
        with pytest.raises(CodecUnavailable, match="/nowhere/python3"):
            transcode(pool)
    assert len(log.of("error")) == 1


@pytest.mark.parametrize("error", [errno.ENOMEM, errno.EAGAIN, errno.EMFILE])
def test_a_process_that_the_machine_has_no_room_for_now_is_started_later(
    new_pool: NewPool, log: FakeLog, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    pool = new_pool()
    with monkeypatch.context() as no_room:
        no_room.setattr(subprocess, "Popen", refuse)
        with pytest.raises(Overloaded, match=os.strerror(error)):
            transcode(pool)

    assert transcode(pool) == SMALL.pixels.tobytes()
    assert not log.of("error")


def test_a_python_of_another_version_is_refused(new_pool: NewPool, log: FakeLog, tmp_path: Path) -> None:
    impostor = tmp_path / "python3"
    hello = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from framecache.codecs.process.protocol import pack\n"
        "sys.stdout.buffer.write(pack({'python': [3, 9]})); sys.stdout.flush(); sys.stdin.read()"
    )
    impostor.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{hello}" {PLUGIN}\n')
    impostor.chmod(0o755)
    pool = new_pool(python=str(impostor))
    with pytest.raises(CodecUnavailable, match=r"is 3\.9, but Orthanc's own Python is 3\."):
        pool.check()
    assert "NOT TRANSCODING" in log.of("error")[0]


def test_a_package_that_is_missing_is_named(new_pool: NewPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imagecodecs.py").write_text("raise ImportError('No module named imagecodecs')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(CodecUnavailable, match="imagecodecs"):
        new_pool().check()


def test_values_of_the_data_set_do_not_reach_the_log(new_pool: NewPool, log: FakeLog) -> None:
    """pydicom warns of a value that its VR does not allow, and quotes it."""
    header = SMALL.header().replace(b"1.2.840.10008.1.2.5\0", b"Synthetic^Frame^^^^\0")
    pool = new_pool()
    with pytest.raises(Undecodable):
        pool.transcode(header, SMALL.stored, 1, EXPLICIT)
    pool.close()
    time.sleep(0.2)
    assert not log.lines


def test_what_a_process_says_goes_to_the_log_and_not_for_ever(
    new_pool: NewPool, log: FakeLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nfor i in range(1000): print('x' * 5000, file=sys.stderr)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    pool = new_pool()
    assert transcode(pool) == SMALL.pixels.tobytes()
    assert eventually(lambda: len(log.of("info")) >= 100)
    time.sleep(0.2)
    assert 100 <= len(log.of("info")) <= 200
    assert max(map(len, log.of("info"))) < 600


def mangled(frame: Frame, position: float, change: bytes, *, cut: bool) -> bytes:
    at = int(position * len(frame.stored))
    return frame.stored[:at] + change + (b"" if cut else frame.stored[at + len(change) :])


COMPRESSED = st.shared(st.sampled_from([f for f in FRAMES if f.stored[:4] != f.pixels.tobytes()[:4]]))
MANGLED = st.builds(
    mangled,
    COMPRESSED,
    st.floats(0, 1, exclude_max=True),
    st.binary(max_size=8),
    cut=st.booleans(),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=300, suppress_health_check=MAY_BE_SLOW)
@given(frame=COMPRESSED, stored=MANGLED)
def test_a_mangled_frame_is_an_error_or_a_frame_of_the_right_size(
    shared_pool: CodecPool, frame: Frame, stored: bytes
) -> None:
    try:
        answer = shared_pool.transcode(frame.header(), stored, 1, EXPLICIT)
    except (Undecodable, CodecCrashed):
        return
    assert len(answer) == frame.pixels.nbytes


@pytest.mark.slow
@settings(deadline=None, max_examples=300, suppress_health_check=MAY_BE_SLOW)
@given(frame=COMPRESSED, stored=MANGLED, target=st.none() | st.sampled_from([*LOSSLESS_TARGETS, *LOSSY_TARGETS]))
def test_a_mangled_frame_in_any_form_ends_no_pool(
    shared_pool: CodecPool, frame: Frame, stored: bytes, target: str | None
) -> None:
    picture = parse_rendering({}, "image/png").to_message()
    try:
        if target is None:
            shared_pool.render(frame.header(), stored, 1, picture)
        else:
            shared_pool.transcode(frame.header(), stored, 1, target)
    except (Undecodable, CodecCrashed):
        pass
    assert transcode(shared_pool) == SMALL.pixels.tobytes()
