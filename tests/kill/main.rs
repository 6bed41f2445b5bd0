//! `kill -9` under full write load, on the real disk, again and again: nothing acknowledged is lost, nothing is
//! wrong.
//!
//! Clients write through sockets and note, outside of the server, what they intend before sending and what was
//! acknowledged after the reply. Once so many writes are acknowledged, at a point chosen by the seed, the server is
//! killed, started again and asked for everything: what is found is what was acknowledged last, or something that was
//! sent after it. Half of what is written is one string or field, and half are transactions, scripts and commands that
//! write several keys, of each type and in several databases, or flush or swap these: of these all is found, or nothing.
//! Beside them clients wait for what others push, and checkpoints are made, which flush. `SILTSTONE_KILLS=50` asks for more
//! cycles.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test panics when it is surprised")]
#![expect(clippy::disallowed_methods, reason = "clients are threads, and time is the machine's")]

mod queues;
mod server;
mod writes;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use siltstone::random::Random;

use crate::queues::Queue;
use crate::server::{Client, Server, command, verify_checkpoints};
use crate::writes::{Place, prepare, write_of};

const CLIENTS: u64 = 4;
const PIPELINE: u64 = 16;
const QUEUES: u64 = 2;

/// What the outside knows: of each place what it held when last acknowledged and, behind it, what was sent since.
#[derive(Default)]
struct Record {
    values: BTreeMap<Place, VecDeque<Vec<u8>>>,
    acknowledged: u64,
}

/// Writes until the connection breaks, noting intent and acknowledgement.
fn load(mut client: Client, id: u64, seed: u64, record: &mut Record, total: &AtomicU64, stop: impl Fn(u64)) {
    let mut random = Random::seeded(seed);
    let mut number = seed << 20;
    loop {
        let mut bytes = Vec::new();
        let mut sent = Vec::new();
        for _ in 0..PIPELINE {
            number += 1;
            let write = write_of(id, number, &mut random);
            let states = record.values.entry(write.place.clone());
            states.or_insert_with(|| VecDeque::from([write.place.nothing().to_vec()])).push_back(write.state);
            bytes.extend(write.commands.concat());
            sent.push((write.place, write.commands.len()));
        }
        if client.send(&bytes).is_err() {
            return;
        }
        for (place, replies) in sent {
            for _ in 0..replies {
                let Some(reply) = client.reply() else { return };
                let error = reply.error().filter(|error| !place.allows(error));
                assert_eq!(error, None, "an error under load");
            }
            // The oldest value that may be found is now the one just acknowledged.
            record.values.get_mut(&place).unwrap().pop_front();
            record.acknowledged += 1;
        }
        stop(total.fetch_add(PIPELINE, Ordering::Relaxed) + PIPELINE);
    }
}

/// Makes one checkpoint after the other until the connection breaks.
fn save(mut client: Client) {
    while client.send(&command(&[b"SAVE"])).is_ok() && client.reply().is_some() {}
}

/// Reads everything back. What is found is from then on the only possibility.
fn verify(client: &mut Client, record: &mut Record) {
    for (place, states) in &mut record.values {
        let found = client.ask(&place.ask());
        let show = |state: &Vec<u8>| state[..state.len().min(200)].escape_ascii().to_string();
        assert!(
            states.contains(&found),
            "{place:?}: found {}, expected one of {:?}",
            show(&found),
            states.iter().map(show).collect::<Vec<_>>()
        );
        *states = VecDeque::from([found]);
    }
}

#[test]
fn kill_nine_loses_no_acknowledged_write() {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (cycles, seed): (u64, u64) = (number("SILTSTONE_KILLS", 3), number("SILTSTONE_SEED", 1));
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::seeded(seed);
    let mut records: Vec<Record> = (0..CLIENTS).map(|_| Record::default()).collect();
    let mut queues: Vec<Queue> = (0..QUEUES).map(Queue::new).collect();
    let (mut slowest, mut checkpoints) = (Duration::ZERO, 0);
    for cycle in 0..cycles {
        let mut server = Server::start(dir.path());
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
        for ((id, client), record) in (0..).zip(&mut clients).zip(&mut records).filter(|_| cycle == 0) {
            record.values.extend(prepare(id, client).map(|(place, state)| (place, VecDeque::from([state]))));
        }
        // Some die with an empty log, some in the middle of a flush or a merge.
        let magnitude = 8 + random.below(8);
        let target = 1 + random.below(1 << magnitude);
        let total = AtomicU64::new(0);
        let ends: Vec<_> =
            (queues.iter_mut()).map(|queue| (queue.ends(), (server.connect(), server.connect()))).collect();
        let saver = server.connect();
        let victim = Mutex::new(server);
        thread::scope(|scope| {
            for ((pusher, mover), (one, other)) in ends {
                scope.spawn(move || pusher.run(one));
                scope.spawn(move || mover.run(other));
            }
            scope.spawn(move || save(saver));
            for ((id, client), record) in (0..).zip(clients).zip(&mut records) {
                let (total, victim) = (&total, &victim);
                let load_seed = seed << 16 | cycle << 4 | id;
                scope.spawn(move || {
                    load(client, id, load_seed, record, total, |done| {
                        if done >= target {
                            victim.lock().unwrap().kill();
                        }
                    });
                });
            }
        });
        checkpoints += verify_checkpoints(dir.path());
        let start = Instant::now();
        let mut server = Server::start(dir.path());
        let mut client = server.connect();
        slowest = slowest.max(start.elapsed());
        for record in &mut records {
            verify(&mut client, record);
        }
        for queue in &mut queues {
            queue.verify(&mut client);
        }
    }
    let acknowledged: u64 = records.iter().map(|r| r.acknowledged).sum();
    eprintln!(
        "{cycles} kills (seed {seed}): {acknowledged} acknowledged writes, 0 lost, 0 wrong, {checkpoints} checkpoints whole, \
         slowest opening {slowest:?}"
    );
}
