-- Reads the table "large" of ITEMS items: GetItem, or Query of its index. wrk -s read.lua URL -- get|query|update ITEMS
local items, what = 0, ""

function init(args)
    what, items = args[1], tonumber(args[2])
    math.randomseed(os.time())
end

local function call(operation, body)
    return wrk.format("POST", "/", {
        ["Content-Type"] = "application/x-amz-json-1.0",
        ["X-Amz-Target"] = "DynamoDB_20120810." .. operation,
        ["X-Amz-Date"] = "20260101T000000Z",
["Authorization"] = "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c",
    }, body)
end

function request()
    local n = math.random(0, items - 1)
    if what == "get" then
        return call("GetItem", '{"TableName":"large","Key":{"pk":{"S":"item' .. n .. '"}}}')
    elseif what == "query" then
        return call("Query", '{"TableName":"large","IndexName":"byowner","Limit":10,"KeyConditionExpression":' ..
            '"#o = :o","ExpressionAttributeNames":{"#o":"owner"},"ExpressionAttributeValues":{":o":{"S":"owner' ..
            n % 100000 .. '"}}}')
    end
    return call("UpdateItem", '{"TableName":"large","Key":{"pk":{"S":"item' .. n .. '"}},"UpdateExpression":' ..
        '"SET #n = :n","ExpressionAttributeNames":{"#n":"count"},"ExpressionAttributeValues":{":n":{"N":"7"}}}')
end
