"""Sessions in a table, as web frameworks keep them: each has a deadline, in seconds, that a visit moves. Those that nobody comes
back to are removed by the service, and the table's stream says so."""

import secrets
import signal
import sys
import time

import boto3
from boto3.dynamodb.conditions import Attr

SESSIONS = 40
SERVICE = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}

tables = boto3.resource("dynamodb")
client = tables.meta.client
streams = boto3.client("dynamodbstreams")


def create():
    table = tables.create_table(
        TableName="sessions",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "token", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "token", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"},
    )
    client.get_waiter("table_exists").wait(TableName="sessions", WaiterConfig={"Delay": 1})
    client.update_time_to_live(
        TableName="sessions", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    described = client.describe_time_to_live(TableName="sessions")["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    table.reload()
    return table


def log_in(table, number, seconds):
    token = secrets.token_urlsafe(16)
    session = {"token": token, "user": number, "basket": [{"book": number, "amount": 1}], "expires": int(time.time()) + seconds}
    table.put_item(Item=session, ConditionExpression=Attr("token").not_exists())
    return token


def visit(table, token, seconds):
    """Whoever comes back in time is remembered for longer; what is over is over, though it may not be removed yet."""
    now = int(time.time())
    try:
        return table.update_item(
            Key={"token": token},
            UpdateExpression="SET expires = :later ADD visits :one",
            ConditionExpression=Attr("expires").gt(now),
            ExpressionAttributeValues={":later": now + seconds, ":one": 1},
            ReturnValues="ALL_NEW",
        )["Attributes"]
    except client.exceptions.ConditionalCheckFailedException:
        return None


def removed(arn):
    """The sessions that the service has removed, from the stream's beginning, and who has removed each."""
    by = {}
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        iterator = iterator["ShardIterator"]
        while iterator:
            page = streams.get_records(ShardIterator=iterator)
            for record in page["Records"]:
                if record["eventName"] == "REMOVE":
                    change = record["dynamodb"]
                    assert change["OldImage"]["token"] == change["Keys"]["token"]
                    by[change["Keys"]["token"]["S"]] = record.get("userIdentity")
            iterator = page.get("NextShardIterator") if page["Records"] else None
    return by


def tokens(table):
    """All that a scan in several pieces sees."""
    found = set()
    for segment in range(2):
        page = {}
        while True:
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if page else {}
            page = table.scan(Segment=segment, TotalSegments=2, Limit=15, ConsistentRead=True, **more)
            found |= {session["token"] for session in page["Items"]}
            if "LastEvaluatedKey" not in page:
                break
    return found


def main():
    table = create()
    long = {log_in(table, number, 600): number for number in range(SESSIONS)}
    touched = {log_in(table, number, 3): number for number in range(SESSIONS)}
    for token, number in touched.items():
        session = visit(table, token, 600)
        assert session["user"] == number and session["visits"] == 1 and session["basket"] == [{"book": number, "amount": 1}]
    short = {log_in(table, number, 1) for number in range(SESSIONS)}
    ended = log_in(table, 0, 600)
    table.delete_item(Key={"token": ended})
    print("kill", flush=True)
    assert sys.stdin.readline() == "back\n"
    # What is due goes, also what fell due while nobody was there to remove it; and so does what comes later.
    short |= {log_in(table, number, 1) for number in range(SESSIONS)}
    never = set()
    for number, expires in enumerate(["tomorrow", None, {"in": 1}]):
        table.put_item(Item={"token": f"never-{number}", "expires": expires})
        never.add(f"never-{number}")
    while tokens(table) & short:
        time.sleep(0.05)
    assert tokens(table) == set(long) | set(touched) | never
    by = removed(table.latest_stream_arn)
    assert set(by) == short | {ended}
    assert all(by[token] == SERVICE for token in short) and by[ended] is None, by
    for token, number in [*long.items(), *touched.items()]:
        session = visit(table, token, 600)
        assert session["user"] == number and session["visits"] == 1 + (token in touched), session
    assert visit(table, next(iter(short)), 600) is None
    # Where it is switched off nothing ends.
    client.update_time_to_live(
        TableName="sessions", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires"}
    )
    assert client.describe_time_to_live(TableName="sessions")["TimeToLiveDescription"] == {"TimeToLiveStatus": "DISABLED"}
    print(f"{len(short)} sessions ended, {len(long) + len(touched)} were kept")


signal.alarm(int(sys.argv[2]))
main()
