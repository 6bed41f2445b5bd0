"""Makes the tables that the requests of prepare.py are about, and fills them.

    load.py ENDPOINT
"""

import sys

import boto3

tables = boto3.resource(
    "dynamodb",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="AKIDEXAMPLE",
    aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
)


def table(name, *keys):
    made = tables.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind, _ in keys],
        KeySchema=[{"AttributeName": key, "KeyType": role} for key, _, role in keys],
    )
    made.wait_until_exists()
    return made


plain = table("bench", ("pk", "S", "HASH"))
ordered = table("benchsorted", ("pk", "S", "HASH"), ("sk", "N", "RANGE"))
with plain.batch_writer() as batch:
    for i in range(10_000):
        batch.put_item(Item={"pk": f"k{i * 10}", "text": "x" * 900, "n": i, "flag": True})
with ordered.batch_writer() as batch:
    for i in range(50_000):
        batch.put_item(Item={"pk": f"p{i // 100}", "sk": i % 100, "text": "x" * 100})
