-- Runs once in each state, before any script: builds what scripts see, out of what Lua and we have.
--
-- A table that scripts may read and not write is an empty table in front of the real one: Lua 5.1 has no other way to
-- trap a write to what is there. `shadow` knows which is in front of which, for those functions of Lua's that look past
-- metatables.

local native = ...

local error, getmetatable, pairs, rawget, rawset, select, setmetatable, tonumber, tostring, type, xpcall =
    error, getmetatable, pairs, rawget, rawset, select, setmetatable, tonumber, tostring, type, xpcall
local raw_next, raw_pcall, raw_xpcall, raw_resume = next, pcall, xpcall, coroutine.resume
local raw_loadstring, raw_insert, byte, concat = loadstring, table.insert, string.byte, table.concat
local raw_collect, raw_unpack = collectgarbage, unpack
local setfenv = setfenv

local shadow = {}
local READONLY = "Attempt to modify a readonly table"

local function refuse()
    error(READONLY, 2)
end

local function protect(real, metatable)
    if type(real) ~= "table" or shadow[real] then
        return real
    end
    local front = {}
    metatable = metatable or {}
    metatable.__index, metatable.__newindex = real, refuse
    if metatable.__metatable == nil then
        metatable.__metatable = false
    end
    shadow[front] = real
    return setmetatable(front, metatable), metatable
end

local function missing(_, name)
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

local function want_table(value, name)
    if type(value) ~= "table" then
        error("bad argument #1 to '" .. name .. "' (table expected, got " .. type(value) .. ")", 3)
    end
end

-- What the errors of our own functions are to a script: see raise.rs.
local lift, caught = native.lift, native.caught

local function finish(ok, ...)
    if ok then
        return true, ...
    end
    return false, caught((...))
end

local function finish_lifted(ok, ...)
    if ok then
        return true, ...
    end
    return false, lift((...))
end

local builtin = {
    _VERSION = _VERSION,
    assert = assert,
    coroutine = {
        create = coroutine.create,
        running = coroutine.running,
        status = coroutine.status,
        wrap = coroutine.wrap,
        yield = coroutine.yield,
        resume = function(...)
            return finish_lifted(raw_resume(...))
        end,
    },
    error = error,
    gcinfo = gcinfo,
    ipairs = ipairs,
    rawequal = rawequal,
    select = select,
    tonumber = tonumber,
    tostring = tostring,
    type = type,
    math = math,
    string = string,
    table = table,
    os = { clock = native.clock },
}

builtin.pcall = function(...)
    return finish(raw_pcall(...))
end

builtin.xpcall = function(run, handler)
    return finish_lifted(raw_xpcall(run, function(e)
        return handler(lift(e))
    end))
end

-- Lua's own counts in C's integers, and is lost where that many do not fit. A function of C has 8,000 places, its
-- arguments among them.
builtin.unpack = function(list, ...)
    want_table(list, "unpack")
    local from, to = ...
    from, to = tonumber(from or 1), tonumber(to or #list)
    if not from or not to then
        error("bad argument #" .. (from and 3 or 2) .. " to 'unpack' (number expected)", 2)
    end
    if from > to then
        return
    end
    if to - from + 2 + select("#", ...) > 8000 then
        error("too many results to unpack", 2)
    end
    return raw_unpack(list, ...)
end

builtin.rawset = function(table, key, value)
    if shadow[table] then
        error(READONLY, 0)
    end
    return rawset(table, key, value)
end

builtin.rawget = function(table, key)
    return rawget(shadow[table] or table, key)
end

builtin.setmetatable = function(table, metatable)
    if shadow[table] then
        error(READONLY, 0)
    end
    want_table(table, "setmetatable")
    return setmetatable(table, metatable)
end

builtin.getmetatable = function(value)
    return getmetatable(value) or nil
end

builtin.next = function(table, key)
    want_table(table, "next")
    return raw_next(shadow[table] or table, key)
end

builtin.pairs = function(table)
    local real = shadow[table]
    if real then
        local copy = {}
        for key, value in raw_next, real do
            copy[key] = value
        end
        return raw_next, copy, nil
    end
    want_table(table, "pairs")
    return raw_next, table, nil
end

-- The collector belongs to all scripts: it may be told to work, not to stop.
builtin.collectgarbage = function(option, ...)
    if option == nil or option == "collect" or option == "count" or option == "step" then
        return raw_collect(option, ...)
    end
    return 0
end

table.insert = function(list, ...)
    if shadow[list] then
        error(READONLY, 0)
    end
    want_table(list, "insert")
    local n = select("#", ...)
    if n ~= 1 and n ~= 2 then
        error("wrong number of arguments to 'insert'", 2)
    end
    return raw_insert(list, ...)
end

math.random, math.randomseed = native.random, native.randomseed

builtin.bit, builtin.cjson, builtin.cmsgpack, builtin.struct =
    protect(native.bit), protect(native.cjson), protect(native.cmsgpack), protect(native.struct)
for _, name in pairs({ "coroutine", "math", "table", "os" }) do
    builtin[name] = protect(builtin[name])
end
-- Methods of strings are looked up in the real table; nobody may get hold of it.
builtin.string = protect(string)
getmetatable("").__metatable = protect({ __index = builtin.string })

-- Globals: `base` holds them, `front` is what scripts know as _G.
local function globals(redis, more)
    local base = more or {}
    for key, value in pairs(builtin) do
        base[key] = value
    end
    base.redis = protect(redis)
    local metatable = {}
    local front = protect(base, metatable)
    metatable.__metatable = protect({ __index = front, __newindex = refuse })
    base._G = front

    -- Only source: what `string.dump` gives might break out of everything.
    local function load_source(text, name)
        if byte(text, 1) == 27 then
            return nil, "attempt to load a binary chunk"
        end
        -- The parser does not hold on to the chunk's name: nothing may be collected while it works.
        raw_collect("stop")
        local run, why = raw_loadstring(text, name or text)
        raw_collect("restart")
        if not run then
            return nil, why
        end
        return setfenv(run, front)
    end
    base.loadstring = function(text, name)
        if type(text) ~= "string" and type(text) ~= "number" then
            error("bad argument #1 to 'loadstring' (string expected, got " .. type(text) .. ")", 2)
        end
        return load_source(tostring(text), name)
    end
    base.load = function(reader, name)
        if type(reader) ~= "function" then
            error("bad argument #1 to 'load' (function expected, got " .. type(reader) .. ")", 2)
        end
        local parts = {}
        while true do
            local part = reader()
            if part == nil or part == "" then
                break
            end
            if type(part) ~= "string" then
                return nil, "reader function must return a string"
            end
            parts[#parts + 1] = part
        end
        return load_source(concat(parts), name or "=(load)")
    end
    setmetatable(base, { __index = missing })
    return front, base, metatable
end

local api = native.redis
local eval_api = {
    breakpoint = function()
        return false
    end,
    debug = function() end,
    replicate_commands = function()
        return true
    end,
}
for key, value in pairs(api) do
    eval_api[key] = value
end

local eval_globals, eval_base = globals(eval_api)
local function_globals, function_base, function_metatable = globals(api)

-- While a library loads it can register functions, log, and nothing else.
local load_api = setmetatable({ register_function = native.register_function }, { __index = missing })
for key, value in pairs(api) do
    if key == "log" or key:find("^LOG_") or key:find("^REDIS_VERSION") then
        load_api[key] = value
    end
end
local load_base = setmetatable({ redis = protect(load_api) }, { __index = missing })

local handle = native.handle

return {
    eval_globals = eval_globals,
    eval_base = eval_base,
    function_globals = function_globals,
    -- Runs a script: whether it went well, and its value or what went wrong.
    run = function(script)
        return raw_xpcall(script, handle)
    end,
    call = function(callback, keys, arguments)
        return raw_xpcall(function()
            return callback(keys, arguments)
        end, handle)
    end,
    load = function(library)
        function_metatable.__index = load_base
        local ok, why = raw_pcall(library)
        function_metatable.__index = function_base
        return ok, why
    end,
}
