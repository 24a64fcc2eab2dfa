"""What is understood of wrk's output."""

from __future__ import annotations

import json

import pytest

from bench.load import Load, LoadFailed, parse

# As load.lua of this repository made wrk 4.1.0 print it.
FIGURES = (
    '{"requests": 1180, "microseconds": 2010345, "bytes": 10959766230, "failed": 1, "refused": 2, "timeouts": 3, '
    '"median": 5981, "p99": 19420, "maximum": 31377}'
)
OUTPUT = f"""Running 2s test @ http://127.0.0.1:8600
  2 threads and 4 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     6.71ms    3.52ms  31.38ms   77.12%
    Req/Sec   294.60     52.11   370.00     70.00%
  1180 requests in 2.01s, 10.21GB read
Requests/sec:    586.96
Transfer/sec:      5.08GB

{FIGURES}
"""


def test_exact_figures_are_read_in_seconds() -> None:
    load = parse(OUTPUT)

    assert load == Load(1180, 2.010345, 10959766230, 6, 0.005981, 0.01942, 0.031377)
    assert load.requests_per_second == pytest.approx(586.96, abs=0.01)
    assert load.bytes_per_request == pytest.approx(9.288e6, rel=1e-3)


@pytest.mark.parametrize("output", ["", "unable to connect to 127.0.0.1:1 Connection refused"])
def test_a_wrk_that_printed_no_figures_failed(output: str) -> None:
    with pytest.raises(LoadFailed, match="no figures"):
        parse(output)


def test_a_load_without_a_single_answer_failed() -> None:
    with pytest.raises(LoadFailed, match="not one request"):
        parse(json.dumps({**json.loads(FIGURES), "requests": 0}))
