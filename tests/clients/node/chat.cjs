// A chat: rooms are channels, a moderator listens to all of them by a pattern, and who is in a room is a set. When the server has
// been killed everybody is back in their rooms by themselves. Every other one speaks TLS.

const assert = require('node:assert');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const Redis = require('ioredis');

const port = Number(process.argv[2]);
const options = { port, maxRetriesPerRequest: null, retryStrategy: () => 50 };
const ROOMS = 5;
const PEOPLE = 15;
const SAID = 40;

const tls = { ca: readFileSync(process.env.TLS_CERT), servername: 'localhost' };

function connect(secure = false) {
    const connection = new Redis(secure ? { ...options, port: Number(process.env.TLS_PORT), tls } : options);
    connection.on('error', () => {});
    return connection;
}

const speaker = connect();

async function join(name, room) {
    const ears = connect(Number(name.split('-')[1]) % 2 === 0);
    const person = { name, room, ears, heard: [] };
    ears.on('message', (channel, message) => person.heard.push(`${channel} ${message}`));
    await ears.subscribe(`room:${room}`);
    await speaker.sadd(`people:${room}`, name);
    return person;
}

// Everybody says something in their room, in turns; whoever is in it must hear all of it, in order.
async function talk(people, moderator, round) {
    const expected = Array.from({ length: ROOMS }, () => []);
    for (let n = 0; n < SAID; n += 1) {
        const batch = speaker.pipeline();
        for (let room = 0; room < ROOMS; room += 1) {
            const message = `${round}:${n}`;
            expected[room].push(`room:${room} ${message}`);
            batch.publish(`room:${room}`, message);
        }
        const results = await batch.exec();
        // Those in the room, and the moderator.
        for (const [error, listeners] of results) assert.deepStrictEqual([error, listeners], [null, PEOPLE / ROOMS + 1]);
    }
    const all = [...people.map((person) => [person, expected[person.room]]), [moderator, expected.flat()]];
    for (const [listener, said] of all) {
        while (listener.heard.length < said.length) await once(listener.ears, listener === moderator ? 'pmessage' : 'message');
        const heard = listener === moderator ? [...listener.heard].sort() : listener.heard;
        assert.deepStrictEqual(heard, listener === moderator ? [...said].sort() : said);
        listener.heard.length = 0;
    }
}

// Whether everybody is listening again.
async function areBack() {
    const [patterns, ...rooms] = await Promise.all([
        speaker.pubsub('NUMPAT'),
        ...Array.from({ length: ROOMS }, (_, room) => speaker.pubsub('NUMSUB', `room:${room}`)),
    ]);
    return patterns === 1 && rooms.every(([, listeners]) => Number(listeners) === PEOPLE / ROOMS);
}

async function main() {
    const people = await Promise.all(Array.from({ length: PEOPLE }, (_, n) => join(`person-${n}`, n % ROOMS)));
    const moderator = { ears: connect(), heard: [] };
    moderator.ears.on('pmessage', (_, channel, message) => moderator.heard.push(`${channel} ${message}`));
    await moderator.ears.psubscribe('room:*');
    await talk(people, moderator, 1);

    const gone = Promise.all(people.map(({ ears }) => once(ears, 'close')));
    process.stdout.write('kill\n');
    await gone;
    while (!(await areBack())) await new Promise((resolve) => setTimeout(resolve, 10));
    await talk(people, moderator, 2);

    for (let room = 0; room < ROOMS; room += 1) {
        assert.strictEqual(await speaker.scard(`people:${room}`), PEOPLE / ROOMS);
    }
    await people[0].ears.unsubscribe();
    assert.strictEqual(await speaker.publish('room:0', 'bye'), PEOPLE / ROOMS);
    console.log(`${2 * SAID * ROOMS} messages heard by ${PEOPLE} people`);
}

setTimeout(() => {
    console.error('it takes too long');
    process.exit(1);
}, Number(process.argv[3]) * 1000).unref();

main().then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
});
