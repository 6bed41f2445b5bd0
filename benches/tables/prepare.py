"""Prepares requests of the table API for wrk: raw HTTP/1.1, signed, one file for each operation.

    prepare.py DIR HOST:PORT [COUNT]

Items are 1 KB; keys are drawn from 100,000. DIR/OPERATION holds COUNT requests, each after its length in a line.
"""

import json
import pathlib
import random
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEYS = 100_000
TABLE = "bench"
SORTED = "benchsorted"


def key():
    return {"pk": {"S": f"k{random.randrange(KEYS)}"}}


def item():
    return {**key(), "text": {"S": "x" * 900}, "n": {"N": str(random.randrange(1000))}, "flag": {"BOOL": True}}


def put():
    return "PutItem", {"TableName": TABLE, "Item": item()}


def get():
    return "GetItem", {"TableName": TABLE, "Key": key(), "ConsistentRead": True}


def update():
    return "UpdateItem", {
        "TableName": TABLE,
        "Key": key(),
        "UpdateExpression": "SET n = :n",
        "ConditionExpression": "attribute_not_exists(locked)",
        "ExpressionAttributeValues": {":n": {"N": str(random.randrange(1000))}},
    }


def query():
    return "Query", {
        "TableName": SORTED,
        "KeyConditionExpression": "pk = :pk AND sk >= :from",
        "ExpressionAttributeValues": {
            ":pk": {"S": f"p{random.randrange(500)}"},
            ":from": {"N": str(random.randrange(90))},
        },
        "Limit": 10,
    }


def transact():
    keys = random.sample(range(KEYS), 4)
    puts = [{"Put": {"TableName": TABLE, "Item": {**item(), "pk": {"S": f"k{one}"}}}} for one in keys]
    return "TransactWriteItems", {"TransactItems": puts}


def raw(host, operation, body, signer):
    body = json.dumps(body, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "Host": host,
    }
    request = AWSRequest("POST", f"http://{host}/", headers=headers, data=body)
    signer.add_auth(request)
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    head = "\r\n".join(["POST / HTTP/1.1", *lines, f"Content-Length: {len(body)}", "", ""])
    return head.encode() + body


def main():
    into, host = pathlib.Path(sys.argv[1]), sys.argv[2]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 4000
    random.seed(1)
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), "dynamodb", "us-east-1")
    into.mkdir(parents=True, exist_ok=True)
    for make in (put, get, update, query, transact):
        with (into / make.__name__).open("wb") as file:
            for _ in range(count):
                request = raw(host, *make(), signer)
                file.write(b"%d\n" % len(request) + request)


main()
