"""A shop in a single table: customers, products, orders and their lines, found by one index that every kind of item uses in its
own way. Orders are transactions, each with a token; the server is killed while they are placed."""

import signal
import sys
import threading
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

CUSTOMERS, PRODUCTS, STOCK = 8, 6, 60
DAYS, BUYERS, ORDERS_EACH = 9, 4, 30

client = boto3.client("dynamodb")
serializer = TypeSerializer()


def plain(item):
    return {name: serializer.serialize(value) for name, value in item.items()}


def put(item, **more):
    return {"Put": {"TableName": "shop", "Item": plain(item), **more}}


def create():
    keys = ["PK", "SK", "GSI1PK", "GSI1SK"]
    client.create_table(
        TableName="shop",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "GSI1",
                "KeySchema": [{"AttributeName": "GSI1PK", "KeyType": "HASH"}, {"AttributeName": "GSI1SK", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    client.get_waiter("table_exists").wait(TableName="shop", WaiterConfig={"Delay": 1})


def sign_up(number, email):
    """A customer, and an item that keeps the address theirs."""
    customer = {
        "PK": f"CUSTOMER#{number:03}", "SK": "PROFILE", "GSI1PK": "CUSTOMERS", "GSI1SK": email,
        "email": email, "orders": 0, "address": {"city": "Nürnberg", "lines": ["Hauptmarkt 1"]}, "tags": {"new", "reader"},
    }
    free = {"ConditionExpression": "attribute_not_exists(PK)"}
    client.transact_write_items(
        TransactItems=[put(customer, **free), put({"PK": f"EMAIL#{email}", "SK": "EMAIL", "customer": number}, **free)]
    )


def order_of(buyer, number):
    """What is ordered is known beforehand, so that everything can be counted afterwards."""
    turn = buyer * ORDERS_EACH + number
    return {
        "id": f"{buyer:02}-{number:04}",
        "customer": turn % CUSTOMERS,
        "day": f"2026-11-{1 + turn % DAYS:02}",
        "lines": {turn % PRODUCTS: 1 + turn % 3, (turn + 1 + number % 2) % PRODUCTS: 1},
    }


def place(order):
    """The customer's order, its lines, and what they take from the stock: all of it or nothing. Whether there was enough."""
    customer, key = f"CUSTOMER#{order['customer']:03}", f"ORDER#{order['day']}#{order['id']}"
    head = {"PK": customer, "SK": key, "GSI1PK": f"ORDER#{order['id']}", "GSI1SK": "ORDER", "lines": len(order["lines"])}
    steps = [put(head, ConditionExpression="attribute_not_exists(PK)")]
    for product, amount in order["lines"].items():
        line = {
            "PK": f"ORDER#{order['id']}", "SK": f"LINE#{product}", "GSI1PK": f"PRODUCT#{product}", "GSI1SK": key,
            "amount": amount, "price": Decimal("9.99") * amount,
        }
        steps.append(put(line))
        steps.append({
            "Update": {
                "TableName": "shop",
                "Key": plain({"PK": f"PRODUCT#{product}", "SK": "PRODUCT"}),
                "UpdateExpression": "SET stock = stock - :amount ADD sold :amount",
                "ConditionExpression": "stock >= :amount",
                "ExpressionAttributeValues": plain({":amount": amount}),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        })
    steps.append({
        "Update": {
            "TableName": "shop",
            "Key": plain({"PK": customer, "SK": "PROFILE"}),
            "UpdateExpression": "ADD orders :one",
            "ExpressionAttributeValues": plain({":one": 1}),
        }
    })
    while True:
        try:
            client.transact_write_items(TransactItems=steps, ClientRequestToken=f"order-{order['id']}")
            return True
        except client.exceptions.TransactionCanceledException as error:
            reasons = error.response["CancellationReasons"]
            codes = {reason["Code"] for reason in reasons}
            if "TransactionConflict" in codes:
                continue
            assert codes == {"None", "ConditionalCheckFailed"}, codes
            for step, reason in zip(steps, reasons):
                if reason["Code"] == "ConditionalCheckFailed":
                    wanted = step["Update"]["ExpressionAttributeValues"][":amount"]["N"]
                    assert int(reason["Item"]["stock"]["N"]) < int(wanted), "it was refused though there is enough"
            return False
        except client.exceptions.TransactionInProgressException:
            continue


def buy(buyer, placed, refused, half):
    for number in range(ORDERS_EACH):
        order = order_of(buyer, number)
        (placed if place(order) else refused).append(order)
        if number == ORDERS_EACH // 3:
            half.wait()


def all_pages(query, **request):
    items, page = [], {}
    while True:
        page = query(**request, **({"ExclusiveStartKey": page["LastEvaluatedKey"]} if page else {}))
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return items


def check(table, placed, refused):
    """Every order that was acknowledged is there, whole, under each of its keys; and nothing else is."""
    sold = [0] * PRODUCTS
    for order in placed:
        lines = table.query(
            KeyConditionExpression=Key("PK").eq(f"ORDER#{order['id']}") & Key("SK").begins_with("LINE#"),
            ProjectionExpression="SK, amount, #p",
            ExpressionAttributeNames={"#p": "price"},
        )["Items"]
        wanted = [{"SK": f"LINE#{p}", "amount": n, "price": Decimal("9.99") * n} for p, n in sorted(order["lines"].items())]
        assert lines == wanted, (lines, wanted)
        for product, amount in order["lines"].items():
            sold[product] += amount
    for order in refused:
        assert table.query(KeyConditionExpression=Key("PK").eq(f"ORDER#{order['id']}"))["Count"] == 0
        assert table.query(IndexName="GSI1", KeyConditionExpression=Key("GSI1PK").eq(f"ORDER#{order['id']}"))["Count"] == 0
    for product in range(PRODUCTS):
        item = table.get_item(Key={"PK": f"PRODUCT#{product}", "SK": "PRODUCT"}, ConsistentRead=True)["Item"]
        assert (item["stock"], item.get("sold", 0)) == (STOCK - sold[product], sold[product]), item
        found = all_pages(table.query, IndexName="GSI1", KeyConditionExpression=Key("GSI1PK").eq(f"PRODUCT#{product}"), Limit=7)
        keys = [line["GSI1SK"] for line in found]
        assert keys == sorted(f"ORDER#{o['day']}#{o['id']}" for o in placed if product in o["lines"])
    for number in range(CUSTOMERS):
        own = sorted((o["day"], o["id"]) for o in placed if o["customer"] == number)
        key = Key("PK").eq(f"CUSTOMER#{number:03}")
        assert table.get_item(Key={"PK": f"CUSTOMER#{number:03}", "SK": "PROFILE"})["Item"]["orders"] == len(own)
        # Some days of them, the last ones first.
        days = Key("SK").between("ORDER#2026-11-03", "ORDER#2026-11-06#~")
        found = all_pages(table.query, KeyConditionExpression=key & days, ScanIndexForward=False, Limit=2)
        wanted = [f"ORDER#{day}#{id}" for day, id in reversed(own) if "2026-11-03" <= day < "2026-11-07"]
        assert [order["SK"] for order in found] == wanted
        large = all_pages(
            table.query, KeyConditionExpression=key & Key("SK").begins_with("ORDER#"), FilterExpression=Attr("lines").gt(1)
        )
        assert len(large) == sum(len(o["lines"]) > 1 for o in placed if o["customer"] == number)


def refuses(code, call):
    try:
        call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error.response
    raise AssertionError(f"it should be refused: {code}")


def main():
    create()
    table = boto3.resource("dynamodb").Table("shop")
    for number in range(CUSTOMERS):
        sign_up(number, f"{number}@example.com")
    reasons = refuses("TransactionCanceledException", lambda: sign_up(CUSTOMERS, "3@example.com"))["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    with table.batch_writer(overwrite_by_pkeys=["PK", "SK"]) as batch:
        for product in range(PRODUCTS):
            for stock in (0, STOCK):
                batch.put_item(Item={"PK": f"PRODUCT#{product}", "SK": "PRODUCT", "stock": stock})
        for number in range(60):
            batch.put_item(Item={"PK": "NOTES", "SK": f"{number:03}", "text": "x" * number, "raw": bytes([number]), "n": {number}})
    again = {"PK": "PRODUCT#0", "SK": "PRODUCT", "stock": 1}
    refuses("ConditionalCheckFailedException", lambda: table.put_item(Item=again, ConditionExpression=Attr("PK").not_exists()))

    placed, refused, half = [], [], threading.Barrier(BUYERS + 1)
    threads = [threading.Thread(target=buy, args=(number, placed, refused, half)) for number in range(BUYERS)]
    for thread in threads:
        thread.start()
    half.wait()
    print("kill", flush=True)
    for thread in threads:
        thread.join()
    assert sys.stdin.readline() == "back\n"
    assert len(placed) + len(refused) == BUYERS * ORDERS_EACH and refused, "some products run out"
    check(table, placed, refused)
    # Whoever is not sure asks again, with the same token: it is done once.
    for order in placed[-20:]:
        assert place(order)
    refuses(
        "IdempotentParameterMismatchException",
        lambda: client.transact_write_items(
            TransactItems=[put({"PK": "OTHER", "SK": "OTHER"})], ClientRequestToken=f"order-{placed[-1]['id']}"
        ),
    )
    check(table, placed, refused)
    notes = all_pages(table.query, KeyConditionExpression=Key("PK").eq("NOTES"), Limit=25)
    assert [(int(note["SK"]), len(note["text"]), bytes(note["raw"]), note["n"]) for note in notes] == [
        (number, number, bytes([number]), {number}) for number in range(60)
    ]
    got = boto3.resource("dynamodb").batch_get_item(
        RequestItems={
            "shop": {
                "Keys": [{"PK": f"CUSTOMER#{number:03}", "SK": "PROFILE"} for number in range(CUSTOMERS)],
                "ProjectionExpression": "email, address.#l[0]",
                "ExpressionAttributeNames": {"#l": "lines"},
            }
        }
    )["Responses"]["shop"]
    wanted = [{"email": f"{number}@example.com", "address": {"lines": ["Hauptmarkt 1"]}} for number in range(CUSTOMERS)]
    assert sorted(got, key=lambda customer: customer["email"]) == wanted
    with table.batch_writer() as batch:
        for note in notes:
            batch.delete_item(Key={"PK": note["PK"], "SK": note["SK"]})
    assert table.query(KeyConditionExpression=Key("PK").eq("NOTES"), Select="COUNT")["Count"] == 0
    print(f"{len(placed)} orders were placed, {len(refused)} refused")


signal.alarm(int(sys.argv[2]))
main()
