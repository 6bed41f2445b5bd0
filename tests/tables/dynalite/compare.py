"""Sends the same requests to two servers of the table API, and prints where their replies differ: a line each with the operation,
what was changed in a right request, and both replies.

    compare.py OURS THEIRS [PATTERN]    the ports; only cases whose name matches"""

import copy
import http.client
import json
import re
import sys

import expressions
import requests_right

# What cannot be the same.
IGNORED = {
    "CreationDateTime", "TableArn", "TableId", "IndexArn", "LastDecreaseDateTime", "LastIncreaseDateTime", "TableSizeBytes",
    "IndexSizeBytes", "ItemCount", "LastUpdateToPayPerRequestDateTime", "TableStatus", "IndexStatus",
    # Dynalite counts no writes to indexes, and tells nothing of item collections.
    "ConsumedCapacity", "ItemCollectionMetrics",
}
# What stands in the place of each value of a right request, one after the other.
WRONG = [
    True, 23, -1, 0, 34.56, 2147483648, "23", "", "ab", "a" * 256, "a;b", [], {}, [{}], ["a"], [[]],
    {"a": {}}, {"a": "b"}, {"a": []},
]
WRONG_VALUES = [
    {}, {"S": ""}, {"N": ""}, {"N": "abc"}, {"N": "1e126"}, {"N": "-1e126"}, {"N": "1e-131"}, {"N": "1" * 39}, {"N": " 1"},
    {"N": "0x1"}, {"N": "+1"}, {"N": "00.10e1"}, {"B": ""}, {"B": "abc="}, {"B": "a"}, {"B": "YWJj"}, {"SS": []}, {"NS": []}, {"BS": []},
    {"SS": ["a", "a"]}, {"NS": ["1", "1.0"]}, {"NS": ["1", "b"]}, {"NS": [""]}, {"BS": ["YQ==", "YQ=="]}, {"SS": [""]},
    {"NULL": False}, {"NULL": "no"}, {"NULL": True}, {"BOOL": "yes"}, {"BOOL": True}, {"S": "a", "N": "1"}, {"S": "a", "SS": ["a"]}, {"X": "a"},
    {"M": {}}, {"L": []}, {"M": {"a": {}}}, {"L": [{}]}, {"L": [{"N": "x"}]}, {"M": {"a": {"SS": []}}}, {"M": {"": {"S": "a"}}},
    {"M": {"a": {"S": "a", "N": "1"}}}, {"L": [{"L": [{"NS": ["1", "1"]}]}]}, {"S": "a" * 1025}, {"S": "a" * 2049},
]
VALUE_TYPES = {"S", "N", "B", "SS", "NS", "BS", "L", "M", "BOOL", "NULL"}


class Server:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)

    def ask(self, operation, body):
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, "
            "SignedHeaders=host;x-amz-date;x-amz-target, Signature=0",
        }
        for attempt in range(2):
            try:
                self.connection.request("POST", "/", json.dumps(body), headers)
                reply = self.connection.getresponse()
                text = reply.read()
                break
            except (http.client.HTTPException, OSError):
                self.connection.close()
                if attempt:
                    return 0, "no answer"
        try:
            return reply.status, json.loads(text)
        except ValueError:
            return reply.status, text.decode(errors="replace")


def places(value, path=()):
    """Where something stands in a request."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def with_changed(request, path, change):
    request = copy.deepcopy(request)
    at = request
    for key in path[:-1]:
        at = at[key]
    change(at, path[-1])
    return request


def at(request, path):
    for key in path:
        request = request[key]
    return request


def cases():
    for name, operation, request in requests_right.REQUESTS:
        yield name, operation, request
        for path in places(request):
            where = ".".join(map(str, path))
            if not path:
                continue
            yield f"{name} without {where}", operation, with_changed(request, path, lambda o, k: o.pop(k))
            here = at(request, path)
            is_value = isinstance(here, dict) and len(here) == 1 and set(here) <= VALUE_TYPES
            for wrong in WRONG + (WRONG_VALUES if is_value else []):
                if wrong != here:
                    changed = with_changed(request, path, lambda o, k: o.__setitem__(k, wrong))
                    shown = json.dumps(wrong)
                    yield f"{name} {where}={shown if len(shown) < 60 else shown[:12] + f'…{len(shown)}'}", operation, changed
    yield from expressions.cases()


def normal(reply):
    """A reply without what cannot be the same, and with lists that are sets in one order."""
    status, body = reply

    def inner(value, name=None):
        if isinstance(value, dict):
            return {k: inner(v, k) for k, v in sorted(value.items()) if k not in IGNORED}
        if isinstance(value, list):
            value = [inner(each) for each in value]
            if name in ("SS", "NS", "BS", "Items", "AttributeDefinitions", "GlobalSecondaryIndexes", "LocalSecondaryIndexes", "NonKeyAttributes"):
                value.sort(key=json.dumps)
            return value
        return value

    if isinstance(body, dict) and "__type" in body:
        message = body.get("message", body.get("Message", ""))
        message = re.sub(r"arn:aws:dynamodb:[^/']*", "arn", message)
        # Where an expression is wrong dynalite tells as its parser does.
        message = re.sub("Syntax error; .*", "Syntax error", message, flags=re.DOTALL)
        # What a hash map's order decides.
        message = re.sub(r"\{[^{}]*\}|\[[^][]*\]", lambda m: "".join(sorted(re.split(r"([\[\]{}]|, )", m[0]))), message)
        head, colon, rest = message.partition(" detected: ")
        message = head + colon + "; ".join(sorted(rest.split("; ")))
        return status, body["__type"].partition("#")[2], message
    return status, inner(body)


def main(ours, theirs, pattern=""):
    servers = [Server(int(ours)), Server(int(theirs))]
    for operation, request in requests_right.BEFORE:
        for server in servers:
            status, body = server.ask(operation, request)
            assert status == 200, (operation, body)
    count = same = 0
    for name, operation, request in cases():
        if not re.search(pattern, name):
            continue
        replies = [server.ask(operation, request) for server in servers]
        if operation == "CreateTable":
            for server, (status, _) in zip(servers, replies):
                if status == 200:
                    server.ask("DeleteTable", {"TableName": request["TableName"]})
        if operation == "PutItem" and replies[0][0] != replies[1][0]:
            for server in servers:
                server.ask("DeleteItem", {"TableName": "ranges", "Key": {"a": {"S": "a"}, "b": {"S": "b"}}})
        count += 1
        ours, theirs = map(normal, replies)
        if ours == theirs:
            same += 1
        else:
            print(f"{name}\n    ours   {ours}\n    theirs {theirs}")
    print(f"{same} of {count} replies are the same")


main(*sys.argv[1:])
