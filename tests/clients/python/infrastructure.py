"""What a tool for infrastructure as code asks for a table: it is made, looked at from every side until it is as described, changed
step by step as the description changes, and unmade. The server is killed before the first time that all is compared."""

import signal
import sys
import time

import boto3
from botocore.exceptions import ClientError

client = boto3.client("dynamodb")


def wait_until_active(name):
    """As such tools do it: the table's state, and the state of each of its indexes."""
    while True:
        table = client.describe_table(TableName=name)["Table"]
        indexes = table.get("GlobalSecondaryIndexes", [])
        if table["TableStatus"] == "ACTIVE" and all(index["IndexStatus"] == "ACTIVE" for index in indexes):
            return table
        time.sleep(0.02)


def backups(name):
    """Whether it can be restored to points in time; tools take it as switched off where it is not known at all."""
    try:
        description = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    except ClientError as error:
        assert error.response["Error"]["Code"] == "UnknownOperationException", error
        return "DISABLED"
    return description["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]


def refresh(name):
    """All that is kept in a tool's state."""
    table = wait_until_active(name)
    tags, page = {}, {}
    while True:
        more = {"NextToken": page["NextToken"]} if page else {}
        page = client.list_tags_of_resource(ResourceArn=table["TableArn"], **more)
        tags |= {tag["Key"]: tag["Value"] for tag in page["Tags"]}
        if "NextToken" not in page:
            break
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    stream = table.get("StreamSpecification", {})
    throughput = table["ProvisionedThroughput"]
    return {
        "attributes": {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]},
        "keys": [each["AttributeName"] for each in table["KeySchema"]],
        "billing": table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
        "throughput": (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]),
        "indexes": {
            index["IndexName"]: ([key["AttributeName"] for key in index["KeySchema"]], index["Projection"])
            for index in table.get("GlobalSecondaryIndexes", [])
        },
        "stream": stream.get("StreamViewType") if stream.get("StreamEnabled") else None,
        "protected": table["DeletionProtectionEnabled"],
        "class": table.get("TableClassSummary", {}).get("TableClass", "STANDARD"),
        "ttl": ttl.get("AttributeName") if ttl["TimeToLiveStatus"] == "ENABLED" else None,
        "backups": backups(name),
        "tags": tags,
    }


def index(name, *keys, projection="ALL", **more):
    key_types = zip(keys, ["HASH", "RANGE"])
    return {
        "IndexName": name,
        "KeySchema": [{"AttributeName": key, "KeyType": key_type} for key, key_type in key_types],
        "Projection": {"ProjectionType": projection, **more},
    }


def attributes(**types):
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()]


def main():
    units = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 2}
    arn = client.create_table(
        TableName="devices",
        AttributeDefinitions=attributes(id="S", at="N", place="S"),
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        BillingMode="PROVISIONED",
        ProvisionedThroughput=units,
        GlobalSecondaryIndexes=[{**index("places", "place", "at"), "ProvisionedThroughput": units}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        SSESpecification={"Enabled": False},
        TableClass="STANDARD",
        DeletionProtectionEnabled=True,
        Tags=[{"Key": f"tag-{number:02}", "Value": str(number)} for number in range(12)],
    )["TableDescription"]["TableArn"]
    client.get_waiter("table_exists").wait(TableName="devices", WaiterConfig={"Delay": 1})
    client.update_time_to_live(TableName="devices", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    print("kill", flush=True)
    assert sys.stdin.readline() == "back\n"
    wanted = {
        "attributes": {"id": "S", "at": "N", "place": "S"},
        "keys": ["id", "at"],
        "billing": "PROVISIONED",
        "throughput": (3, 2),
        "indexes": {"places": (["place", "at"], {"ProjectionType": "ALL"})},
        "stream": "NEW_IMAGE",
        "protected": True,
        "class": "STANDARD",
        "ttl": "until",
        "backups": "DISABLED",
        "tags": {f"tag-{number:02}": str(number) for number in range(12)},
    }

    def has_become(**changes):
        wanted.update(changes)
        found = refresh("devices")
        assert found == wanted, {name: (found[name], wanted[name]) for name in wanted if found[name] != wanted[name]}

    has_become()
    # Nothing has changed, so nothing is asked for; then one change a step.
    client.update_table(TableName="devices", BillingMode="PAY_PER_REQUEST")
    has_become(billing="PAY_PER_REQUEST", throughput=(0, 0))
    with boto3.resource("dynamodb").Table("devices").batch_writer() as batch:
        for number in range(50):
            batch.put_item(Item={"id": f"device-{number}", "at": number, "place": "here", "kind": f"kind-{number % 5}"})
    kinds = index("kinds", "kind", projection="INCLUDE", NonKeyAttributes=["place"])
    client.update_table(
        TableName="devices",
        AttributeDefinitions=attributes(id="S", at="N", place="S", kind="S"),
        GlobalSecondaryIndexUpdates=[{"Create": kinds}],
    )
    projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["place"]}
    has_become(
        attributes={**wanted["attributes"], "kind": "S"}, indexes={**wanted["indexes"], "kinds": (["kind"], projection)}
    )
    found = client.query(
        TableName="devices", IndexName="kinds", KeyConditionExpression="kind = :kind",
        ExpressionAttributeValues={":kind": {"S": "kind-3"}},
    )
    assert found["Count"] == 10 and set(found["Items"][0]) == {"id", "at", "kind", "place"}
    client.update_table(TableName="devices", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "places"}}])
    while "places" in refresh("devices")["indexes"]:
        time.sleep(0.02)
    del wanted["indexes"]["places"]
    has_become(attributes=refresh("devices")["attributes"])
    client.update_table(TableName="devices", StreamSpecification={"StreamEnabled": False})
    has_become(stream=None)
    client.update_table(TableName="devices", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    has_become(stream="KEYS_ONLY")
    client.untag_resource(ResourceArn=arn, TagKeys=[f"tag-{number:02}" for number in range(11)])
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "tag-11", "Value": "changed"}, {"Key": "new", "Value": ""}])
    has_become(tags={"tag-11": "changed", "new": ""})
    client.update_time_to_live(TableName="devices", TimeToLiveSpecification={"Enabled": False, "AttributeName": "until"})
    has_become(ttl=None)
    try:
        client.delete_table(TableName="devices")
        raise AssertionError("it is protected")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationException", error
    client.update_table(TableName="devices", DeletionProtectionEnabled=False)
    has_become(protected=False)
    client.delete_table(TableName="devices")
    client.get_waiter("table_not_exists").wait(TableName="devices", WaiterConfig={"Delay": 1})
    try:
        client.describe_table(TableName="devices")
        raise AssertionError("it is deleted")
    except client.exceptions.ResourceNotFoundException:
        print("made, changed and unmade")


signal.alarm(int(sys.argv[2]))
main()
