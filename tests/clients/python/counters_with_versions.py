"""Counters that several workers change at once without locks: each reads, computes, and writes under the condition that nobody
else has meanwhile. The server is killed while they do, and the sums are exact."""

import signal
import sys
import threading

import boto3
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

WORKERS, COUNTERS, ADDITIONS = 6, 3, 30

client = boto3.client("dynamodb")
deserializer = TypeDeserializer()


def plain(item):
    return {name: deserializer.deserialize(value) for name, value in item.items()}


def add(counter, worker, turn, amount, lost):
    """Adds once. A write that was sent again, since its reply was lost, finds that it has been done: its own mark is there."""
    mark = f"{worker}-{turn}"
    found = client.get_item(TableName="counters", Key={"name": {"S": counter}}, ConsistentRead=True)
    item = plain(found["Item"])
    while True:
        values = {
            ":value": {"N": str(item["value"] + amount)},
            ":next": {"N": str(item["version"] + 1)},
            ":seen": {"N": str(item["version"])},
            ":mark": {"S": mark},
            ":marks": {"L": [{"S": mark}]},
        }
        try:
            client.update_item(
                TableName="counters",
                Key={"name": {"S": counter}},
                UpdateExpression="SET #v = :value, version = :next, marks = list_append(marks, :marks)",
                ConditionExpression="version = :seen AND NOT contains(marks, :mark)",
                ExpressionAttributeNames={"#v": "value"},
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
            return
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException", error
            item = plain(error.response["Item"])
            if mark in item["marks"]:
                return
            assert item["version"] >= int(values[":next"]["N"]), "it was refused though nobody else was faster"
            lost.append(mark)


def work(worker, lost, half, failed):
    try:
        for turn in range(ADDITIONS):
            add(f"counter-{(worker + turn) % COUNTERS}", worker, turn, worker * 100 + turn, lost)
            if turn == ADDITIONS // 3:
                half.wait()
    except BaseException as error:
        failed.append(error)
        half.abort()
        raise


def main():
    client.create_table(
        TableName="counters",
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
    )
    client.get_waiter("table_exists").wait(TableName="counters", WaiterConfig={"Delay": 1})
    for number in range(COUNTERS):
        zero = {"name": {"S": f"counter-{number}"}, "value": {"N": "0"}, "version": {"N": "0"}, "marks": {"L": []}}
        client.put_item(TableName="counters", Item=zero, ConditionExpression="attribute_not_exists(#n)",
                        ExpressionAttributeNames={"#n": "name"})
    lost, failed, half = [], [], threading.Barrier(WORKERS + 1)
    threads = [threading.Thread(target=work, args=(number, lost, half, failed)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    half.wait()
    print("kill", flush=True)
    for thread in threads:
        thread.join()
    assert sys.stdin.readline() == "back\n"
    assert not failed, failed
    counters = [plain(item) for item in client.scan(TableName="counters", ConsistentRead=True)["Items"]]
    assert sum(item["value"] for item in counters) == sum(w * 100 + t for w in range(WORKERS) for t in range(ADDITIONS))
    assert sum(item["version"] for item in counters) == WORKERS * ADDITIONS
    marks = [mark for item in counters for mark in item["marks"]]
    assert sorted(marks) == sorted(f"{w}-{t}" for w in range(WORKERS) for t in range(ADDITIONS)), "each once"
    print(f"{len(marks)} additions, {len(lost)} times somebody else was faster")


signal.alarm(int(sys.argv[2]))
main()
