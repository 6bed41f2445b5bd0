//! A server held by hand: a disk in memory, a clock that is moved, workers that are stepped, and one client without
//! its socket.

use std::path::Path;
use std::sync::Arc;

use super::reply::Reply;
use super::scripts::read_library;
use super::state::{Bytes, DATABASES, Key, State, Value};
use super::streams::Stream;
use crate::clock::{Clock, ManualClock};
use crate::config::Config;
use crate::random::Random;
use crate::redis::instance::Instance;
use crate::redis::keyspace::{Databases, Keyspace};
use crate::redis::parameters::Parameters;
use crate::redis::pipeline::{Pace, Pipeline};
use crate::redis::session::Session;
use crate::store::{Env, Fsync, Options, Tier};
use crate::vfs::faulty::FaultyVfs;
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

const MEMORY: u64 = 32 << 20;

pub(super) type Words = Vec<String>;

pub(super) struct World {
    pub(super) memory: MemoryVfs,
    pub(super) faulty: FaultyVfs,
    pub(super) clock: Arc<ManualClock>,
    pub(super) workers: Arc<Workers>,
    pub(super) instance: Arc<Instance>,
    pub(super) client: Pipeline,
}

fn connect(instance: &Arc<Instance>) -> Pipeline {
    let client = instance.clients.add(String::new(), String::new(), 0, Box::new(|| {}));
    let mut session = Session::new(client, instance.stats.new_loop(), true);
    session.random = Random::seeded(1);
    Pipeline::new(instance.clone(), session)
}

/// Commands arrive at a connection.
pub(super) fn feed<W: AsRef<[u8]>>(client: &mut Pipeline, commands: &[impl AsRef<[W]>]) {
    for words in commands {
        let (input, words) = (client.input(), words.as_ref());
        input.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            let word = word.as_ref();
            input.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            input.extend_from_slice(word);
            input.extend_from_slice(b"\r\n");
        }
    }
}

impl World {
    /// A server on an empty disk.
    pub(super) fn new(fsync: Fsync) -> Self {
        Self::on(MemoryVfs::new(), Arc::default(), fsync).unwrap()
    }

    /// The same, but its memtable is so large that nothing is flushed by itself.
    pub(super) fn lazy(fsync: Fsync) -> Self {
        let memory = MemoryVfs::new();
        let faulty = FaultyVfs::new(Arc::new(memory.clone()));
        Self::over(memory, faulty, Arc::default(), fsync, None).unwrap()
    }

    /// A server on a disk that was left behind.
    pub(super) fn on(memory: MemoryVfs, clock: Arc<ManualClock>, fsync: Fsync) -> Result<Self, String> {
        let faulty = FaultyVfs::new(Arc::new(memory.clone()));
        Self::over(memory, faulty, clock, fsync, Some(1))
    }

    /// The same, of which the power goes at an operation of the disk.
    pub(super) fn dying(memory: MemoryVfs, clock: Arc<ManualClock>, operation: u64) {
        let faulty = FaultyVfs::new(Arc::new(memory.clone()));
        faulty.crash_at(operation);
        if let Ok(world) = Self::over(memory, faulty, clock, Fsync::Always, Some(1)) {
            world.workers.run_all();
        }
    }

    fn over(
        memory: MemoryVfs,
        faulty: FaultyVfs,
        clock: Arc<ManualClock>,
        fsync: Fsync,
        memtable: Option<u64>,
    ) -> Result<Self, String> {
        let mut env = Env::with_vfs(Arc::new(faulty.clone()));
        env.clock = clock.clone();
        env.workers = Workers::manual_with(clock.clone());
        let workers = env.workers.clone();
        // The smallest sizes there are, so that little is flushed and merged often.
        let options =
            Options { memory: MEMORY, memtable, table: Some(1), block: 1024, fsync, ..Options::default() };
        let opened = Keyspace::open(env.clone(), Path::new("/db"), options, DATABASES as u16);
        let keyspace = opened.map_err(|error| {
            workers.discard();
            error.to_string()
        })?;
        let config = Config { memory: MEMORY, ..Config::default() };
        let instance = Instance::new(keyspace, env, config, None, Parameters::default(), Box::new(|| {}));
        let client = connect(&instance);
        Ok(Self { memory, faulty, clock, workers, instance, client })
    }

    /// One more client.
    pub(super) fn connect(&self) -> Pipeline {
        connect(&self.instance)
    }

    /// Sends commands together, and takes their replies, which may not have been acknowledged.
    pub(super) fn pipeline<W: AsRef<[u8]>>(&mut self, commands: &[Vec<W>]) -> Vec<Reply> {
        feed(&mut self.client, commands);
        let mut output = Vec::new();
        // As an event loop does it: what memory cannot answer is run again where it may wait.
        let mut tier = Tier::Cached;
        loop {
            let pace = self.client.run(tier);
            // A large reply comes in parts.
            output.extend_from_slice(&self.client.reply().take());
            match pace {
                Pace::More => return Reply::read_all(&output),
                Pace::Full => {}
                Pace::Wait(_) => tier = Tier::Disk,
                pace => panic!("{pace:?}"),
            }
        }
    }

    pub(super) fn say<W: AsRef<[u8]> + Clone>(&mut self, words: &[W]) -> Reply {
        self.pipeline(&[words.to_vec()]).pop().unwrap()
    }

    /// Waits until all replies so far may leave.
    pub(super) fn acknowledge(&self) -> Result<(), crate::store::EngineError> {
        self.instance.store().db().acknowledge(self.client.needs())
    }

    /// Everything there is, as a client finds it.
    pub(super) fn dump(&mut self) -> State {
        let now_ms = self.clock.now_ms();
        let mut state = State::default();
        for (number, database) in state.databases.iter_mut().enumerate() {
            self.say(&["SELECT".to_owned(), number.to_string()]);
            let mut names = self.say(&["KEYS", "*"]).all_bytes();
            names.sort_unstable();
            for name in names {
                let name = String::from_utf8(name).unwrap();
                let key = self.key(&name);
                database.insert(name, Arc::new(key));
            }
        }
        for told in self.say(&["FUNCTION", "LIST", "WITHCODE"]).array() {
            let source = String::from_utf8(told.named("library_code").bytes()).unwrap();
            let (name, version) = read_library(&source);
            state.libraries.insert(name, version);
        }
        assert_eq!(self.clock.now_ms(), now_ms);
        state
    }

    fn key(&mut self, name: &str) -> Key {
        let due = self.say(&["PEXPIRETIME", name]).int();
        let Reply::Status(kind) = self.say(&["TYPE", name]) else { panic!() };
        let value = match kind.as_str() {
            "string" => Value::String(self.say(&["GET", name]).bytes()),
            "hash" => Value::Hash(self.fields(name).into_iter().collect()),
            "list" => Value::List(self.say(&["LRANGE", name, "0", "-1"]).all_bytes()),
            "set" => Value::Set(self.say(&["SMEMBERS", name]).all_bytes().into_iter().collect()),
            "zset" => {
                let told = self.say(&["ZRANGE", name, "0", "-1", "WITHSCORES"]).all_bytes();
                let score = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().parse().unwrap();
                let members: Vec<_> = told.chunks(2).map(|pair| (score(&pair[1]), pair[0].clone())).collect();
                assert!(members.is_sorted(), "{name}: {members:?}");
                assert_eq!(self.say(&["ZCARD", name]).int(), members.len() as i64);
                Value::Sorted(members.into_iter().map(|(score, member)| (member, score)).collect())
            }
            "stream" => {
                Value::Stream(Stream::read(&self.say(&["XINFO", "STREAM", name, "FULL", "COUNT", "0"])))
            }
            other => panic!("{name} is {other}"),
        };
        Key { value, due: u64::try_from(due).ok() }
    }

    fn fields(&mut self, name: &str) -> Vec<(Bytes, (Bytes, Option<u64>))> {
        let told = self.say(&["HGETALL", name]).all_bytes();
        assert_eq!(self.say(&["HLEN", name]).int(), told.len() as i64 / 2, "{name}");
        let names: Vec<Bytes> = told.chunks(2).map(|pair| pair[0].clone()).collect();
        let head =
            ["HPEXPIRETIME", name, "FIELDS", &names.len().to_string()].map(|word| word.as_bytes().to_vec());
        let deadlines = self.say(&head.into_iter().chain(names).collect::<Vec<_>>());
        let deadline = |reply: &Reply| u64::try_from(reply.int()).ok();
        let fields = told.chunks(2).zip(deadlines.array());
        fields.map(|(pair, due)| (pair[0].clone(), (pair[1].clone(), deadline(due)))).collect()
    }

    /// Removes what is due, and compares how many keys are counted with how many there are.
    pub(super) fn check_sizes(&mut self, expected: &State) {
        let store = self.instance.store().clone();
        while store.reap().unwrap().next_ms.is_some_and(|next_ms| next_ms <= self.clock.now_ms()) {}
        for (number, database) in expected.databases.iter().enumerate() {
            let view = store.view_newest(Tier::Disk);
            let space = self.instance.keyspace().databases().space(&view, number as u16).unwrap();
            let size = Databases::size(&store, space);
            assert!(size.unsettled > 0 || size.keys == database.len() as u64, "{number}: {size:?}");
        }
    }
}

/// The process is gone, and what it had yet to do.
impl Drop for World {
    fn drop(&mut self) {
        self.workers.discard();
    }
}
