-- For wrk: compares the body of every answer with the file that is named last on its command line, and says at the end,
-- in one JSON object, what was measured.
local threads = {}
wrong = 0

function setup(thread)
    table.insert(threads, thread)
end

function init(arguments)
    local file = assert(io.open(arguments[1], "rb"))
    expected = file:read("*a")
    file:close()
end

function response(status, headers, body)
    if status ~= 200 or body ~= expected then
        wrong = wrong + 1
    end
end

function done(summary, latency, requests)
    local bad = 0
    for _, thread in ipairs(threads) do
        bad = bad + thread:get("wrong")
    end
    local errors = summary.errors
    io.write(string.format('\n{"requests": %d, "seconds": %f, "wrong": %d, "errors": %d, ' ..
        '"p50_us": %f, "p99_us": %f, "p99_9_us": %f}\n',
        summary.requests, summary.duration / 1e6, bad, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
