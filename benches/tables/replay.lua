-- Sends requests that prepare.py made: wrk -s replay.lua URL -- FILE. Counts answers other than 200.
local requests = {}

function init(args)
    local file = assert(io.open(args[1], "rb"))
    while true do
        local length = file:read("*n")
        if not length then break end
        file:read(1)
        requests[#requests + 1] = file:read(length)
    end
    file:close()
    math.randomseed(os.time() + tonumber(tostring({}):sub(8), 16) % 65536)
end

function request()
    return requests[math.random(#requests)]
end
