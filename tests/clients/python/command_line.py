"""What somebody types who looks after tables with the command line of AWS: its own code, within this process, since it takes long to
start; once as a program of its own. All of it is signed, and a wrong secret is refused."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys

from awscli.clidriver import create_clidriver

driver = create_clidriver()


def aws(*words, service="dynamodb", fails=0):
    """Runs a command; what it prints, read as JSON where it is, or what it complains of."""
    words = [word if isinstance(word, str) else json.dumps(word) for word in words]
    out, complaints = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(complaints):
        status = driver.main([service, *words])
    assert status == fails, f"aws {service} {' '.join(words)}: {status} {out.getvalue()} {complaints.getvalue()}"
    if fails:
        return complaints.getvalue().strip()
    with contextlib.suppress(json.JSONDecodeError):
        return json.loads(out.getvalue())
    return out.getvalue().strip()


def create():
    table = aws(
        "create-table", "--table-name", "music", "--billing-mode", "PAY_PER_REQUEST",
        "--attribute-definitions", "AttributeName=artist,AttributeType=S", "AttributeName=song,AttributeType=S",
        "AttributeName=year,AttributeType=N",
        "--key-schema", "AttributeName=artist,KeyType=HASH", "AttributeName=song,KeyType=RANGE",
        "--local-secondary-indexes",
        "IndexName=by-year,KeySchema=[{AttributeName=artist,KeyType=HASH},{AttributeName=year,KeyType=RANGE}],"
        "Projection={ProjectionType=KEYS_ONLY}",
        "--stream-specification", "StreamEnabled=true,StreamViewType=KEYS_ONLY",
        "--tags", "Key=owner,Value=anna",
    )["TableDescription"]
    assert table["TableName"] == "music" and table["TableArn"].endswith(":table/music")
    aws("wait", "table-exists", "--table-name", "music")
    assert "Table already exists: music" in aws(
        "create-table", "--table-name", "music", "--billing-mode", "PAY_PER_REQUEST",
        "--attribute-definitions", "AttributeName=a,AttributeType=S", "--key-schema", "AttributeName=a,KeyType=HASH", fails=255,
    )
    return table["TableArn"], table["LatestStreamArn"]


def write():
    rows = [("Abba", "Waterloo", 1974), ("Abba", "Fernando", 1976), ("Blur", "Song 2", 1997)]
    for artist, song, year in rows:
        aws("put-item", "--table-name", "music", "--item",
            {"artist": {"S": artist}, "song": {"S": song}, "year": {"N": str(year)}, "cover": {"B": "raw"}})
    unprocessed = aws("batch-write-item", "--request-items", {
        "music": [
            {"PutRequest": {"Item": {"artist": {"S": "Cher"}, "song": {"S": "Believe"}, "year": {"N": "1998"}}}},
            {"DeleteRequest": {"Key": {"artist": {"S": "Blur"}, "song": {"S": "Song 2"}}}},
        ]
    })
    assert unprocessed == {"UnprocessedItems": {}}
    updated = aws("update-item", "--table-name", "music", "--key", {"artist": {"S": "Cher"}, "song": {"S": "Believe"}},
                  "--update-expression", "SET plays = if_not_exists(plays, :zero) + :one",
                  "--expression-attribute-values", {":zero": {"N": "0"}, ":one": {"N": "1"}}, "--return-values", "UPDATED_NEW")
    assert updated == {"Attributes": {"plays": {"N": "1"}}}
    place = {"artist": {"S": "Abba"}, "song": {"S": "Waterloo"}}
    complaint = aws("put-item", "--table-name", "music", "--item", place,
                    "--condition-expression", "attribute_not_exists(artist)", fails=255)
    assert complaint == ("An error occurred (ConditionalCheckFailedException) when calling the PutItem operation: "
                         "The conditional request failed"), complaint
    transaction = [
        {"Update": {"TableName": "music", "Key": place, "UpdateExpression": "ADD plays :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}}}},
        {"ConditionCheck": {"TableName": "music", "Key": {"artist": {"S": "Cher"}, "song": {"S": "Believe"}},
                            "ConditionExpression": "plays = :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}},
    ]
    for _ in range(2):
        aws("transact-write-items", "--transact-items", transaction, "--client-request-token", "once")
    complaint = aws("transact-write-items", "--transact-items",
                    [{"Put": {"TableName": "music", "Item": place, "ConditionExpression": "attribute_not_exists(song)"}}], fails=255)
    assert complaint == ("An error occurred (TransactionCanceledException) when calling the TransactWriteItems operation: "
                         "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed]")


def read():
    abba = {":a": {"S": "Abba"}}
    songs = aws("query", "--table-name", "music", "--key-condition-expression", "artist = :a",
                "--expression-attribute-values", abba, "--query", "Items[].song.S", "--output", "text")
    assert songs == "Fernando\tWaterloo", songs
    by_year = aws("query", "--table-name", "music", "--index-name", "by-year", "--key-condition-expression", "artist = :a",
                  "--expression-attribute-values", abba, "--page-size", "1")
    assert [item["year"]["N"] for item in by_year["Items"]] == ["1974", "1976"], by_year
    got = aws("get-item", "--table-name", "music", "--key", {"artist": {"S": "Abba"}, "song": {"S": "Waterloo"}},
              "--consistent-read", "--return-consumed-capacity", "TOTAL")
    assert got == {
        "Item": {"artist": {"S": "Abba"}, "song": {"S": "Waterloo"}, "year": {"N": "1974"}, "cover": {"B": "cmF3"},
                 "plays": {"N": "1"}},
        "ConsumedCapacity": {"TableName": "music", "CapacityUnits": 1.0},
    }, got
    scanned = aws("scan", "--table-name", "music", "--max-items", "2", "--page-size", "1")
    assert len(scanned["Items"]) == 2 and "NextToken" in scanned
    rest = aws("scan", "--table-name", "music", "--starting-token", scanned["NextToken"])
    assert len(rest["Items"]) == 1 and "NextToken" not in rest


def look_after(table_arn, stream_arn):
    aws("tag-resource", "--resource-arn", table_arn, "--tags", "Key=stage,Value=test", "Key=owner,Value=bert")
    aws("untag-resource", "--resource-arn", table_arn, "--tag-keys", "nothing", "stage")
    assert aws("list-tags-of-resource", "--resource-arn", table_arn) == {"Tags": [{"Key": "owner", "Value": "bert"}]}
    on = aws("update-time-to-live", "--table-name", "music", "--time-to-live-specification", "Enabled=true,AttributeName=until")
    assert on == {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "until"}}
    assert aws("describe-time-to-live", "--table-name", "music", "--query", "*.[TimeToLiveStatus]", "--output", "text") == "ENABLED"
    shards = aws("describe-stream", "--stream-arn", stream_arn, service="dynamodbstreams")["StreamDescription"]["Shards"]
    iterator = aws("get-shard-iterator", "--stream-arn", stream_arn, "--shard-id", shards[0]["ShardId"],
                   "--shard-iterator-type", "TRIM_HORIZON", service="dynamodbstreams")["ShardIterator"]
    records = aws("get-records", "--shard-iterator", iterator, service="dynamodbstreams")["Records"]
    assert records[0]["eventName"] == "INSERT" and "NewImage" not in records[0]["dynamodb"]


def check_is_there(table_arn, stream_arn):
    assert aws("list-tables") == {"TableNames": ["music"]}
    table = aws("describe-table", "--table-name", "music")["Table"]
    assert (table["TableStatus"], table["TableArn"]) == ("ACTIVE", table_arn)
    listed = aws("list-streams", "--table-name", "music", service="dynamodbstreams")["Streams"]
    assert [(stream["StreamArn"], stream["TableName"]) for stream in listed] == [(stream_arn, "music")]
    assert aws("describe-limits")["TableMaxReadCapacityUnits"] > 0
    assert aws("describe-endpoints")["Endpoints"]


def guess():
    """What a wrong secret, and a key that nobody knows, are told: by the program itself."""
    program = [os.path.join(os.path.dirname(sys.executable), "aws"), "dynamodb", "list-tables"]
    for wrong, complaint in [
        ({"AWS_SECRET_ACCESS_KEY": "guess"},
         "An error occurred (InvalidSignatureException) when calling the ListTables operation: The request signature we "
         "calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."),
        ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"},
         "An error occurred (UnrecognizedClientException) when calling the ListTables operation: The security token "
         "included in the request is invalid."),
    ]:
        ran = subprocess.run(program, env={**os.environ, **wrong}, capture_output=True, text=True)
        assert ran.returncode == 255 and complaint in ran.stderr, ran


def main():
    arns = create()
    write()
    look_after(*arns)
    print("kill", flush=True)
    assert sys.stdin.readline() == "back\n"
    check_is_there(*arns)
    read()
    guess()
    old = aws("delete-item", "--table-name", "music", "--key", {"artist": {"S": "Cher"}, "song": {"S": "Believe"}},
              "--return-values", "ALL_OLD")
    assert old["Attributes"]["year"] == {"N": "1998"}
    aws("update-table", "--table-name", "music", "--deletion-protection-enabled")
    assert "ValidationException" in aws("delete-table", "--table-name", "music", fails=255)
    aws("update-table", "--table-name", "music", "--no-deletion-protection-enabled")
    aws("delete-table", "--table-name", "music")
    aws("wait", "table-not-exists", "--table-name", "music")
    assert "ResourceNotFoundException" in aws("describe-table", "--table-name", "music", fails=255)
    print("all that was typed is done")


signal.alarm(int(sys.argv[2]))
main()
