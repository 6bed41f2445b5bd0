// A copy of a table that follows the table's stream, as search indexes and caches do: writers go on, with the document client, while
// another one reads the stream. The server is killed meanwhile; in the end the copy is what the table is.

const assert = require('node:assert');
const { once } = require('node:events');
const { DynamoDBClient, CreateTableCommand, waitUntilTableExists } = require('@aws-sdk/client-dynamodb');
const {
    DynamoDBStreamsClient, DescribeStreamCommand, GetRecordsCommand, GetShardIteratorCommand, ListStreamsCommand,
} = require('@aws-sdk/client-dynamodb-streams');
const {
    DynamoDBDocumentClient, BatchWriteCommand, DeleteCommand, PutCommand, TransactWriteCommand, UpdateCommand, paginateScan,
} = require('@aws-sdk/lib-dynamodb');
const { unmarshall } = require('@aws-sdk/util-dynamodb');

const WRITERS = 4;
const WRITES = 60;
const TableName = 'articles';

const client = new DynamoDBClient({});
const streams = new DynamoDBStreamsClient({});
const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });

const keyOf = ({ author, number }) => `${author}/${number}`;

function article(author, number, text) {
    return {
        author, number, text,
        words: new Set(text.split(' ')),
        raw: new Uint8Array([number, 255]),
        places: { lines: [number, number + 0.5], draft: number % 2 === 0, next: null },
        unknown: undefined,
    };
}

// One way after the other to change the writer's own articles. A change that is sent again does the same again.
async function change(author, turn) {
    const number = turn % 9;
    const Key = { author, number };
    switch (turn % 5) {
        case 0:
        case 1:
            return documents.send(new PutCommand({ TableName, Item: article(author, number, `the text of turn ${turn}`) }));
        case 2:
            return documents.send(new UpdateCommand({
                TableName, Key,
                UpdateExpression: 'SET #t = :text, seen.latest = :turn REMOVE words',
                ConditionExpression: 'attribute_exists(seen)',
                ExpressionAttributeNames: { '#t': 'text' },
                ExpressionAttributeValues: { ':text': `changed in turn ${turn}`, ':turn': turn },
            })).catch((error) => {
                assert.strictEqual(error.name, 'ConditionalCheckFailedException');
                return documents.send(new UpdateCommand({
                    TableName, Key,
                    UpdateExpression: 'SET seen = :seen',
                    ExpressionAttributeValues: { ':seen': { first: turn } },
                }));
            });
        case 3:
            return documents.send(new DeleteCommand({ TableName, Key }));
        default:
            if (turn % 2 === 0) {
                return documents.send(new TransactWriteCommand({
                    TransactItems: [
                        { Put: { TableName, Item: article(author, number, `in one step ${turn}`) } },
                        { Delete: { TableName, Key: { author, number: (number + 1) % 9 } } },
                    ],
                }));
            }
            return documents.send(new BatchWriteCommand({
                RequestItems: {
                    [TableName]: [
                        { PutRequest: { Item: article(author, number + 20, `one of many ${turn}`) } },
                        { DeleteRequest: { Key: { author, number: (number + 5) % 9 } } },
                    ],
                },
            }));
    }
}

// Applies a stream's records to a copy, from the beginning, until what it has made of the marks says that it is over.
async function follow(StreamArn, copy, isOver) {
    const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn }));
    assert.strictEqual(StreamDescription.StreamViewType, 'NEW_AND_OLD_IMAGES');
    const position = new Map(StreamDescription.Shards.map(({ ShardId }) => [ShardId, {}]));
    let records = 0;
    while (!isOver(copy)) {
        let news = 0;
        for (const [ShardId, at] of position) {
            const after = at.last && { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: at.last };
            const start = { StreamArn, ShardId, ShardIteratorType: 'TRIM_HORIZON', ...after };
            at.next ??= (await streams.send(new GetShardIteratorCommand(start))).ShardIterator;
            const page = await streams.send(new GetRecordsCommand({ ShardIterator: at.next, Limit: 50 }));
            // Now and then it starts from where it is, as if it had been started anew.
            at.next = page.Records.length % 7 === 1 ? undefined : page.NextShardIterator;
            for (const { eventName, dynamodb } of page.Records) {
                assert(at.last === undefined || BigInt(dynamodb.SequenceNumber) > BigInt(at.last), 'records come in order');
                at.last = dynamodb.SequenceNumber;
                const key = keyOf(unmarshall(dynamodb.Keys));
                const [before, after] = [dynamodb.OldImage, dynamodb.NewImage].map((image) => image && unmarshall(image));
                assert.deepStrictEqual(before, copy.get(key), `what ${key} was before ${eventName}`);
                assert.strictEqual(eventName, before ? (after ? 'MODIFY' : 'REMOVE') : 'INSERT');
                if (after) copy.set(key, after);
                else copy.delete(key);
            }
            news += page.Records.length;
        }
        records += news;
        if (news === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return records;
}

async function main() {
    await client.send(new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'author', AttributeType: 'S' }, { AttributeName: 'number', AttributeType: 'N' }],
        KeySchema: [{ AttributeName: 'author', KeyType: 'HASH' }, { AttributeName: 'number', KeyType: 'RANGE' }],
        StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
    }));
    await waitUntilTableExists({ client, maxWaitTime: 10, minDelay: 1, maxDelay: 1 }, { TableName });
    const { Streams } = await streams.send(new ListStreamsCommand({ TableName }));
    assert.strictEqual(Streams.length, 1);

    const copy = new Map();
    const authors = Array.from({ length: WRITERS }, (_, n) => `author-${n}`);
    const following = follow(Streams[0].StreamArn, copy, () => authors.every((author) => copy.has(`${author}/100`)));
    const back = once(process.stdin, 'data');
    await Promise.all(authors.map(async (author) => {
        for (let turn = 0; turn < WRITES; turn += 1) {
            await change(author, turn);
            if (author === authors[0] && turn === WRITES / 3) process.stdout.write('kill\n');
        }
    }));
    await back;
    await Promise.all(authors.map((author) => documents.send(new PutCommand({ TableName, Item: { author, number: 100 } }))));
    const records = await following;

    const table = new Map();
    for await (const { Items } of paginateScan({ client: documents, pageSize: 11 }, { TableName, ConsistentRead: true })) {
        for (const item of Items) table.set(keyOf(item), item);
    }
    assert.deepStrictEqual(copy, table);
    console.log(`${table.size} articles were copied from ${records} records`);
}

setTimeout(() => {
    console.error('it takes too long');
    process.exit(1);
}, Number(process.argv[3]) * 1000).unref();

main().then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
});
