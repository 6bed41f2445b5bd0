//! Tables on a disk in memory, with a clock that stands still.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::clock::ManualClock;
use crate::dynamo::limits::Limits;
use crate::dynamo::{REALM, Tables};
use crate::store::{Env, Options, Seqno, Store, Tier};
use crate::vfs::faulty::FaultyVfs;
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

pub(super) struct World {
    pub(super) tables: Arc<Tables>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) vfs: MemoryVfs,
    /// What the store sees of it.
    pub(super) faulty: FaultyVfs,
    workers: Arc<Workers>,
    floor: Seqno,
}

impl World {
    pub(super) fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        clock.set_ms(1_700_000_000_000);
        Self::on(MemoryVfs::new(), clock)
    }

    pub(super) fn on(vfs: MemoryVfs, clock: Arc<ManualClock>) -> Self {
        let workers = Workers::manual_with(clock.clone());
        let faulty = FaultyVfs::new(Arc::new(vfs.clone()));
        let mut env = Env::with_vfs(Arc::new(faulty.clone()));
        env.clock = clock.clone();
        env.workers = workers.clone();
        let options = Options {
            memory: 16 << 20,
            memtable: Some(64 << 10),
            table: Some(16 << 10),
            block: 1024,
            ..Options::default()
        };
        let store = Store::open(env, Path::new("/db"), options, &[REALM]).unwrap();
        store.db().sync().unwrap();
        let tables = Tables::open(store, Limits::default()).unwrap();
        Self { tables, clock, vfs, faulty, workers, floor: 0 }
    }

    /// Loses power, so that of what was not acknowledged anything may be gone, and opens what is left.
    pub(super) fn crash(self, seed: u64) -> Self {
        let vfs = self.vfs.crash_clone(seed);
        self.workers.discard();
        Self::on(vfs, self.clock)
    }

    /// As a new client, who has seen nothing yet.
    pub(super) fn reconnected(self) -> Self {
        Self { floor: 0, ..self }
    }

    /// Leaves undone what waits to be done.
    pub(super) fn stop(self) {
        self.workers.discard();
    }

    /// Does what waits to be done in the background.
    pub(super) fn work(&self) {
        self.workers.run_all();
    }

    /// Does one thing of it.
    pub(super) fn step(&self) {
        self.workers.step();
    }

    /// Removes what has expired.
    pub(super) fn reap(&self) {
        self.tables.store().reap().unwrap();
        // Reads see it once it is on disk.
        self.tables.store().db().sync().unwrap();
    }

    /// Asks, and takes the answer once it is acknowledged: its status and its body.
    pub(super) fn ask(&mut self, operation: &str, request: &Json) -> (u16, Json) {
        let (status, body, needs) = self.ask_unacknowledged(operation, request);
        self.tables.store().db().acknowledge(needs).unwrap();
        (status, body)
    }

    /// The same; the answer may still be undone by a crash.
    pub(super) fn ask_unacknowledged(&mut self, operation: &str, request: &Json) -> (u16, Json, Seqno) {
        let api = if operation.contains("Stream") || matches!(operation, "GetRecords" | "GetShardIterator") {
            "DynamoDBStreams_20120810"
        } else {
            "DynamoDB_20120810"
        };
        let target = format!("{api}.{operation}");
        let answer = match self.tables.prepare(&target, request.to_string().as_bytes()) {
            Err(refusal) => refusal.answer(0),
            Ok(call) => match call.run(Tier::Cached, self.floor) {
                Ok(answer) => answer,
                // As the server does it: run again where it may wait.
                Err(_) => call.run(Tier::Disk, self.floor).unwrap(),
            },
        };
        self.floor = self.floor.max(answer.needs);
        let body =
            if answer.body.is_empty() { Json::Null } else { serde_json::from_slice(&answer.body).unwrap() };
        (answer.status(), body, answer.needs)
    }

    /// Asks for what must succeed.
    pub(super) fn must(&mut self, operation: &str, request: &Json) -> Json {
        let (status, body) = self.ask(operation, request);
        assert_eq!(status, 200, "{operation} {request}: {body}");
        body
    }
}
