"""Tables, and requests that are right."""


def schema(*keys):
    return [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ["HASH", "RANGE"])]


def definitions(**types):
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()]


UNITS = {"ReadCapacityUnits": 2, "WriteCapacityUnits": 3}
KEY = {"a": {"S": "a"}, "b": {"S": "b"}}
ITEM = {**KEY, "c": {"S": "c"}, "d": {"S": "d"}, "e": {"N": "5"}}


def indexes():
    return {
        "LocalSecondaryIndexes": [
            {"IndexName": "index1", "KeySchema": schema("a", "c"), "Projection": {"ProjectionType": "ALL"}},
            {
                "IndexName": "index2", "KeySchema": schema("a", "d"),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["c"]},
            },
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "index3", "KeySchema": schema("c"), "ProvisionedThroughput": UNITS,
                "Projection": {"ProjectionType": "ALL"},
            },
            {
                "IndexName": "index4", "KeySchema": schema("c", "d"), "ProvisionedThroughput": UNITS,
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["e"]},
            },
        ],
    }


RANGES = {
    "TableName": "ranges", "AttributeDefinitions": definitions(a="S", b="S", c="S", d="S"), "KeySchema": schema("a", "b"),
    "ProvisionedThroughput": UNITS, **indexes(),
}
HASHES = {
    "TableName": "hashes", "AttributeDefinitions": definitions(a="S"), "KeySchema": schema("a"), "ProvisionedThroughput": UNITS,
}
NUMBERS = {**HASHES, "TableName": "numbers", "AttributeDefinitions": definitions(a="N")}
BEFORE = [
    ("CreateTable", RANGES),
    ("CreateTable", HASHES),
    ("CreateTable", NUMBERS),
    ("PutItem", {"TableName": "ranges", "Item": ITEM}),
]
EXPECTED = {"Expected": {"e": {"ComparisonOperator": "EQ", "AttributeValueList": [{"N": "5"}]}}, "ConditionalOperator": "AND"}
NAMES = {"ExpressionAttributeNames": {"#e": "e"}, "ExpressionAttributeValues": {":e": {"N": "5"}}}
RETURNED = {"ReturnConsumedCapacity": "TOTAL", "ReturnItemCollectionMetrics": "SIZE"}

REQUESTS = [
    ("put", "PutItem", {"TableName": "ranges", "Item": ITEM, "ReturnValues": "ALL_OLD", **RETURNED}),
    ("put hash", "PutItem", {"TableName": "hashes", "Item": {"a": {"S": "a"}, "m": {"M": {"x": {"L": [{"N": "1"}]}}}}}),
    ("put number", "PutItem", {"TableName": "numbers", "Item": {"a": {"N": "1"}}}),
    ("put expected", "PutItem", {"TableName": "ranges", "Item": ITEM, **EXPECTED}),
    ("put value", "PutItem", {"TableName": "ranges", "Item": ITEM, "Expected": {"e": {"Value": {"N": "5"}, "Exists": True}}}),
    ("put if", "PutItem", {"TableName": "ranges", "Item": ITEM, "ConditionExpression": "#e = :e", **NAMES}),
    ("get", "GetItem", {"TableName": "ranges", "Key": KEY, "ConsistentRead": True, "ReturnConsumedCapacity": "TOTAL"}),
    ("get some", "GetItem", {"TableName": "ranges", "Key": KEY, "AttributesToGet": ["a", "e"]}),
    ("get projected", "GetItem",
     {"TableName": "ranges", "Key": KEY, "ProjectionExpression": "#e, d", "ExpressionAttributeNames": {"#e": "e"}}),
    ("update", "UpdateItem",
     {"TableName": "ranges", "Key": KEY, "AttributeUpdates": {"e": {"Action": "PUT", "Value": {"N": "5"}}}, "ReturnValues": "ALL_NEW",
      **RETURNED}),
    ("update add", "UpdateItem", {"TableName": "ranges", "Key": KEY, "AttributeUpdates": {"f": {"Action": "ADD", "Value": {"N": "1"}}}}),
    ("update delete", "UpdateItem", {"TableName": "ranges", "Key": KEY, "AttributeUpdates": {"g": {"Action": "DELETE", "Value": {"SS": ["x"]}}}}),
    ("update expected", "UpdateItem", {"TableName": "ranges", "Key": KEY, **EXPECTED}),
    ("update if", "UpdateItem",
     {"TableName": "ranges", "Key": KEY, "UpdateExpression": "SET #e = :e", "ConditionExpression": "#e = :e", **NAMES}),
    ("delete", "DeleteItem", {"TableName": "ranges", "Key": {"a": {"S": "x"}, "b": {"S": "y"}}, "ReturnValues": "ALL_OLD", **RETURNED}),
    ("delete expected", "DeleteItem", {"TableName": "ranges", "Key": {"a": {"S": "x"}, "b": {"S": "y"}}, **EXPECTED}),
    ("delete if", "DeleteItem",
     {"TableName": "ranges", "Key": {"a": {"S": "x"}, "b": {"S": "y"}}, "ConditionExpression": "#e = :e", **NAMES}),
    ("batch get", "BatchGetItem",
     {"RequestItems": {"ranges": {"Keys": [KEY], "AttributesToGet": ["a"], "ConsistentRead": False}, "hashes": {"Keys": [{"a": {"S": "a"}}]}},
      "ReturnConsumedCapacity": "TOTAL"}),
    ("batch get projected", "BatchGetItem",
     {"RequestItems": {"ranges": {"Keys": [KEY], "ProjectionExpression": "#e", "ExpressionAttributeNames": {"#e": "e"}}}}),
    ("batch write", "BatchWriteItem",
     {"RequestItems": {"ranges": [{"PutRequest": {"Item": ITEM}}, {"DeleteRequest": {"Key": {"a": {"S": "x"}, "b": {"S": "y"}}}}]},
      **RETURNED}),
    ("query", "Query",
     {"TableName": "ranges", "KeyConditions": {"a": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]},
                                               "b": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"S": "a"}, {"S": "c"}]}},
      "Limit": 3, "ScanIndexForward": False, "Select": "ALL_ATTRIBUTES", "ReturnConsumedCapacity": "TOTAL"}),
    ("query filter", "Query",
     {"TableName": "ranges", "KeyConditions": {"a": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}},
      "QueryFilter": {"e": {"ComparisonOperator": "GT", "AttributeValueList": [{"N": "1"}]}}, "ConditionalOperator": "OR",
      "AttributesToGet": ["e"]}),
    ("query index", "Query",
     {"TableName": "ranges", "IndexName": "index4", "KeyConditionExpression": "c = :c AND d > :d", "FilterExpression": "#e > :e",
      "ProjectionExpression": "#e", "ExpressionAttributeNames": {"#e": "e"},
      "ExpressionAttributeValues": {":c": {"S": "c"}, ":d": {"S": "a"}, ":e": {"N": "1"}}, "ReturnConsumedCapacity": "INDEXES"}),
    ("query from", "Query",
     {"TableName": "ranges", "KeyConditionExpression": "a = :a", "ExpressionAttributeValues": {":a": {"S": "a"}},
      "ExclusiveStartKey": {"a": {"S": "a"}, "b": {"S": "a"}}}),
    ("query index from", "Query",
     {"TableName": "ranges", "IndexName": "index1", "KeyConditionExpression": "a = :a", "ExpressionAttributeValues": {":a": {"S": "a"}},
      "ExclusiveStartKey": {"a": {"S": "a"}, "b": {"S": "a"}, "c": {"S": "a"}}}),
    ("scan", "Scan",
     {"TableName": "ranges", "Segment": 0, "TotalSegments": 1, "Limit": 10, "Select": "COUNT", "ReturnConsumedCapacity": "TOTAL",
      "ConsistentRead": True}),
    ("scan filter", "Scan",
     {"TableName": "ranges", "ScanFilter": {"e": {"ComparisonOperator": "IN", "AttributeValueList": [{"N": "1"}, {"N": "5"}]},
                                            "f": {"ComparisonOperator": "NULL"}}, "ConditionalOperator": "OR"}),
    ("scan if", "Scan", {"TableName": "ranges", "IndexName": "index3", "FilterExpression": "#e = :e", "ProjectionExpression": "#e, c", **NAMES}),
    ("scan from", "Scan", {"TableName": "ranges", "ExclusiveStartKey": {"a": {"S": "a"}, "b": {"S": "0"}}}),
    ("create", "CreateTable", {**RANGES, "TableName": "created"}),
    ("create on demand", "CreateTable",
     {"TableName": "created", "AttributeDefinitions": definitions(a="S"), "KeySchema": schema("a"), "BillingMode": "PAY_PER_REQUEST"}),
    ("describe", "DescribeTable", {"TableName": "ranges"}),
    ("list", "ListTables", {"Limit": 2, "ExclusiveStartTableName": "hashes"}),
    ("delete table", "DeleteTable", {"TableName": "nothing"}),
    ("update table", "UpdateTable",
     {"TableName": "hashes", "ProvisionedThroughput": {"ReadCapacityUnits": 2, "WriteCapacityUnits": 4}}),
    ("update index", "UpdateTable",
     {"TableName": "ranges", "GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "index3", "ProvisionedThroughput": UNITS}}]}),
    ("create index", "UpdateTable",
     {"TableName": "nothing", "AttributeDefinitions": definitions(z="S"),
      "GlobalSecondaryIndexUpdates": [{"Create": {"IndexName": "index9", "KeySchema": schema("z"), "ProvisionedThroughput": UNITS,
                                                  "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["y"]}}}]}),
    ("ttl", "DescribeTimeToLive", {"TableName": "ranges"}),
    ("tag", "TagResource", {"ResourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/nothing", "Tags": [{"Key": "a", "Value": "b"}]}),
    ("untag", "UntagResource", {"ResourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/nothing", "TagKeys": ["a"]}),
    ("tags", "ListTagsOfResource", {"ResourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/nothing"}),
]
