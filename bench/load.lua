-- wrk's script: asks for the paths of a file in turn, and prints exact figures as one line of JSON.
-- Arguments behind `--`: the file, one path a line.

local threads = 0

function setup(thread)
  thread:set("start", threads)
  threads = threads + 1
end

function init(args)
  requests, position = {}, start
  for path in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
  -- Threads begin at different paths, so that they do not ask for the same one at the same time.
  position = start * math.floor(#requests / 2)
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "bytes": %d, "failed": %d, "refused": %d, "timeouts": %d, '
      .. '"median": %d, "p99": %d, "maximum": %d}\n',
    summary.requests, summary.duration, summary.bytes, errors.connect + errors.read + errors.write, errors.status,
    errors.timeout, latency:percentile(50), latency:percentile(99), latency.max))
end
