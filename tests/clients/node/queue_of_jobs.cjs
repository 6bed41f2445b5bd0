// Mails that go through a queue of BullMQ: at once, later, by priority, and some only at the second try, with several workers. The
// server is killed when half of them are sent, while more are being added, and in the end each has been sent once.

const assert = require('node:assert');
const { FlowProducer, Queue, QueueEvents, Worker } = require('bullmq');
const Redis = require('ioredis');

const port = Number(process.argv[2]);
const options = { port, maxRetriesPerRequest: null, retryStrategy: () => 50 };
const MAILS = 240;

// A mail is sent once, also if the server died before it could say so.
const SEND = `
    if redis.call('SADD', KEYS[1], ARGV[1]) == 1 then redis.call('INCRBY', KEYS[2], ARGV[2]) end
    return redis.call('HINCRBY', KEYS[3], ARGV[1], 1)`;

const connection = new Redis(options);
connection.defineCommand('send', { numberOfKeys: 3, lua: SEND });
// While the server is down there is nothing to be said.
connection.on('error', () => {});

const size = (number) => number * 3 + 1;

function job(number) {
    const opts = { jobId: `mail-${number}`, attempts: 4, backoff: { type: 'fixed', delay: 100 } };
    if (number % 5 === 1) opts.delay = 600;
    if (number % 5 === 2) opts.priority = 1 + (number % 3);
    return { name: 'mail', data: { number, size: size(number), failsFirst: number % 8 === 3 }, opts };
}

async function work({ name, data, attemptsMade }) {
    if (name === 'report') return 'sent';
    if (data.failsFirst && attemptsMade === 0) throw new Error('the post office is closed');
    await connection.send('sent', 'bytes', 'runs', data.number, data.size);
    return data.number;
}

async function main() {
    const queue = new Queue('mails', { connection: options });
    const flows = new FlowProducer({ connection: options });
    const events = new QueueEvents('mails', { connection: options });
    const workers = [1, 2, 3].map(() => new Worker('mails', work, {
        connection: options, concurrency: 4, lockDuration: 2000, stalledInterval: 1000, maxStalledCount: 9, drainDelay: 1,
    }));
    const all = [queue, flows, events, ...workers];
    for (const each of all) each.on('error', () => {});
    await Promise.all(all.map((each) => each.waitUntilReady?.()));

    const half = MAILS / 2;
    await queue.addBulk(Array.from({ length: half }, (_, number) => job(number)));
    // Who adds while the server is away waits, and adds nothing twice: a job's name is its own.
    let adding;
    for (let killed = false; !killed;) {
        if (await connection.scard('sent') >= half / 2) {
            adding = Promise.all(Array.from({ length: half }, (_, n) => job(half + n))
                .map(({ name, data, opts }) => queue.add(name, data, opts)));
            process.stdout.write('kill\n');
            killed = true;
        }
    }
    await adding;
    // A report that waits for mails of its own.
    const { job: report } = await flows.add({
        name: 'report', queueName: 'mails', data: {},
        children: [0, 1, 2].map((n) => ({ ...job(MAILS + n), queueName: 'mails' })),
    });
    await report.waitUntilFinished(events, 20_000);
    const children = Object.values(await report.getChildrenValues()).sort();
    assert.deepStrictEqual(children, [MAILS, MAILS + 1, MAILS + 2]);

    const total = MAILS + 3;
    const done = async () => (await queue.getJobCounts('completed')).completed === total + 1;
    while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 20));
    const counts = await queue.getJobCounts('active', 'wait', 'delayed', 'failed', 'prioritized', 'waiting-children');
    assert.ok(Object.values(counts).every((count) => count === 0), JSON.stringify(counts));
    const sent = (await connection.smembers('sent')).map(Number).sort((a, b) => a - b);
    assert.deepStrictEqual(sent, Array.from({ length: total }, (_, number) => number));
    const bytes = sent.reduce((sum, number) => sum + size(number), 0);
    assert.strictEqual(Number(await connection.get('bytes')), bytes);
    const runs = (await connection.hvals('runs')).reduce((sum, times) => sum + Number(times), 0);
    assert.ok(runs <= total + 12, `${runs} runs`);
    console.log(`${total} mails sent once, ${runs - total} of them tried again`);
}

setTimeout(() => {
    console.error('it takes too long');
    process.exit(1);
}, Number(process.argv[3]) * 1000).unref();

main().then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
});
