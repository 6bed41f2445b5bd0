-- Fills the table "large": BatchWriteItem of 25 items of 1 KB, from item FIRST on. wrk -s fill.lua URL -- FIRST
local headers = {
    ["Content-Type"] = "application/x-amz-json-1.0",
    ["X-Amz-Target"] = "DynamoDB_20120810.BatchWriteItem",
    ["X-Amz-Date"] = "20260101T000000Z",
["Authorization"] = "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c",
}
local texts, next_item = {}, 0

function init(args)
    next_item = tonumber(args[1])
    math.randomseed(next_item + 1)
    for i = 1, 500 do
        local letters = {}
        for j = 1, 460 do letters[j] = string.char(math.random(97, 122)) end
        texts[i] = table.concat(letters)
    end
end

function request()
    local puts = {}
    for i = 1, 25 do
        local n = next_item
        next_item = n + 1
        puts[i] = '{"PutRequest":{"Item":{"pk":{"S":"item' .. n .. '"},"owner":{"S":"owner' .. n % 100000 ..
            '"},"at":{"N":"' .. n .. '"},"text":{"S":"' .. texts[math.random(500)] .. texts[math.random(500)] .. '"}}}}'
    end
    return wrk.format("POST", "/", headers, '{"RequestItems":{"large":[' .. table.concat(puts, ",") .. "]}}")
end
