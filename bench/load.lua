-- The load: every request has a value of its own in its path.
--
-- Arguments: a prefix that no other run has; then `checked`, `fresh` or `counted`; then how many
-- milliseconds a connection rests on average until it asks again, which is part of no answer; then, if requests are to
-- send something, the path and the body, the same each time. `checked` wants
-- each answer to hold the value of one request that still waits for its answer; `fresh` wants the
-- module's counter to be 1 besides. `counted` looks at statuses alone, because looking at bodies
-- takes the load's core longer than the quickest server takes to answer.

local threads = {}
local waiting = {}
local head, tail
local sent = 0
wrong = 0
stale = 0

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  local prefix, mode, rest = arguments[1], arguments[2], tonumber(arguments[3])
  if arguments[4] then
    local post = wrk.format("POST", arguments[4], nil, arguments[5])
    function request()
      return post
    end
    return
  end

  local text = wrk.format("GET", "/bench/" .. prefix .. "-@")
  local at = text:find("@", 1, true)
  head, tail = text:sub(1, at - 1), text:sub(at + 1)

  if rest > 0 then
    -- Of differing lengths, or all connections would soon ask at the same time.
    function delay()
      return math.random(0, 2 * rest)
    end
  end

  if mode == "counted" then
    function request()
      sent = sent + 1
      return head .. sent .. tail
    end
    return
  end

  function request()
    sent = sent + 1
    waiting[prefix .. "-" .. sent] = true
    return head .. sent .. tail
  end

  function response(_, _, body)
    local value, counter = body:match("^hello (%S+) (%d+)\n$")
    if value == nil or not waiting[value] then
      wrong = wrong + 1
      return
    end
    waiting[value] = nil
    if mode == "fresh" and counter ~= "1" then
      stale = stale + 1
    end
  end
end

function done(summary, latency)
  local wrong, stale = 0, 0
  for _, thread in ipairs(threads) do
    wrong = wrong + thread:get("wrong")
    stale = stale + thread:get("stale")
  end
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"micros":%d,"failed":%d,"refused":%d,"wrong":%d,"stale":%d,"p50":%d,"p99":%d}\n',
    summary.requests,
    summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout,
    errors.status,
    wrong,
    stale,
    latency:percentile(50),
    latency:percentile(99)
  ))
end
