//! Random commands of all types against the model, with kills and power failures.
//!
//! `SILTSTONE_COMMANDS=1000000` asks for more commands, `SILTSTONE_SEED` for others.

use super::draw::{Deed, Draw};
use super::history::History;
use super::model::Model;
use super::reply::Reply;
use super::scripts::{function, script};
use super::world::{Words, World};
use crate::clock::Clock;
use crate::store::Fsync;

/// So many commands, and the store begins anew.
const LIFE: u64 = 20_000;

/// What was done.
#[derive(Debug, Default)]
struct Figures {
    commands: u64,
    runs: u64,
    transactions: u64,
    scripts: u64,
    refused: u64,
    kills: u64,
    power_failures: u64,
    images: u64,
}

struct Run {
    world: World,
    model: Model,
    history: History,
    draw: Draw,
    fsync: Fsync,
    rolls_back: bool,
    recent: Vec<String>,
    figures: Figures,
}

/// What a client sends to have it done; the last reply is the one that matters.
pub(super) fn words_of(deed: &Deed) -> Vec<Words> {
    match deed {
        Deed::One(words) => vec![words.clone()],
        Deed::Run(commands) => commands.clone(),
        Deed::Transaction(commands) => {
            let word = |word: &str| vec![word.to_owned()];
            [word("MULTI")].into_iter().chain(commands.clone()).chain([word("EXEC")]).collect()
        }
        Deed::Script { library, commands, declared, protected } => {
            let keys = Draw::all_keys().filter(|_| *declared);
            vec![match library {
                Some(library) => function(library, commands, keys, *protected),
                None => script(commands, keys, *protected),
            }]
        }
    }
}

/// What the model answers to a transaction: if errors undo it, nothing happens.
pub(super) fn expect_transaction(
    model: &mut Model,
    commands: &[Words],
    rolls_back: bool,
    now_ms: u64,
) -> Reply {
    let before = model.clone();
    let replies: Vec<Reply> = commands.iter().map(|words| model.run(words, now_ms)).collect();
    if rolls_back && replies.iter().any(Reply::is_error) {
        *model = before;
        return Reply::error("EXECABORT");
    }
    Reply::Array(replies)
}

/// What a script answers, or a library's function, which tells its version first.
pub(super) fn expect_script(
    model: &mut Model,
    library: Option<&String>,
    commands: &[Words],
    protected: bool,
    now_ms: u64,
) -> Reply {
    let mut replies = Vec::new();
    if let Some(name) = library {
        let Some(version) = model.state.libraries.get(name) else { return Reply::error("ERR") };
        replies.push(Reply::Int(*version as i64));
    }
    for words in commands {
        let reply = model.run(words, now_ms);
        if reply.is_error() && !protected {
            return reply;
        }
        replies.push(reply);
    }
    Reply::Array(replies)
}

impl Run {
    fn new(seed: u64) -> Self {
        let run = Self {
            world: World::new(Fsync::Always),
            model: Model::default(),
            history: History::new(),
            draw: Draw::new(seed),
            fsync: Fsync::Always,
            rolls_back: false,
            recent: Vec::new(),
            figures: Figures::default(),
        };
        run.watch();
        run
    }

    fn watch(&self) {
        let seed = self.draw.random.clone().next_u64();
        self.history.camera.watch(&self.world.memory, &self.world.faulty, 60, seed);
    }

    fn fail(&self, why: &str) -> ! {
        panic!("{why}\nafter:\n{}", self.recent.join("\n"));
    }

    /// Does the same to both.
    fn act(&mut self) {
        let deed = self.draw.deed();
        if self.recent.len() > 20 {
            self.recent.remove(0);
        }
        let mut shown = format!("{deed:?}");
        shown.truncate(300);
        self.recent.push(shown);
        let now_ms = self.world.clock.now_ms();
        let mut replies = self.world.pipeline(&words_of(&deed));
        let said = if matches!(deed, Deed::Run(_)) { Reply::Array(replies) } else { replies.pop().unwrap() };
        let expected = match &deed {
            Deed::Run(commands) => {
                self.figures.runs += 1;
                Reply::Array(commands.iter().map(|words| self.run_and_note(words, now_ms)).collect())
            }
            Deed::One(words) => self.model.run(words, now_ms),
            Deed::Transaction(commands) => {
                self.figures.transactions += 1;
                expect_transaction(&mut self.model, commands, self.rolls_back, now_ms)
            }
            Deed::Script { library, commands, protected, .. } => {
                self.figures.scripts += 1;
                expect_script(&mut self.model, library.as_ref(), commands, *protected, now_ms)
            }
        };
        self.figures.commands += 1;
        self.figures.refused += u64::from(said.is_error());
        self.history.push(self.model.state.clone());
        if said != expected {
            self.fail(&format!("it said {said:?}, and the model {expected:?}"));
        }
    }

    /// What the model answers to one of several commands; the server may be stopped after any of them.
    fn run_and_note(&mut self, words: &Words, now_ms: u64) -> Reply {
        let reply = self.model.run(words, now_ms);
        self.history.push(self.model.state.clone());
        reply
    }

    /// Waits for the disk, lets time pass, gives the background a turn: each now and then.
    fn idle(&mut self) {
        if self.draw.random.one_in(8) {
            self.world.acknowledge().unwrap();
            self.history.acknowledged(self.fsync == Fsync::Always);
        }
        let random = &mut self.draw.random;
        if random.one_in(20) {
            self.world.clock.advance_ms(random.below(700));
        }
        while random.one_in(3) && self.world.workers.step() {}
        if random.one_in(200) {
            self.world.memory.drop_page_cache();
        }
        let db = self.world.instance.store().db();
        if self.fsync == Fsync::EverySecond && random.one_in(60) {
            db.sync().unwrap();
            self.history.acknowledged(true);
        }
        if random.one_in(2000) {
            db.flush().unwrap();
        }
        if random.one_in(4000) {
            db.compact_range(None, None).unwrap();
        }
        for image in self.history.camera.develop() {
            self.figures.images += 1;
            if let Err(why) = self.history.check(image, &self.world) {
                self.fail(&why);
            }
        }
        self.history.forget();
        if self.draw.random.one_in(1000) {
            self.compare();
        }
        if self.draw.random.one_in(500) {
            self.die();
        }
    }

    fn compare(&mut self) {
        let found = self.world.dump();
        let expected = self.model.state.at(self.world.clock.now_ms());
        if found != expected {
            self.fail(&format!("it differs:{}", found.difference(&expected)));
        }
        self.world.say(&["SELECT".to_owned(), self.model.at.to_string()]);
        self.world.check_sizes(&expected);
        self.history.camera.develop();
    }

    /// The process is killed, or the power goes, and another one begins with what is left.
    fn die(&mut self) {
        let random = &mut self.draw.random;
        let killed = random.one_in(2);
        let memory = if killed {
            self.world.memory.kill_clone()
        } else {
            self.world.memory.crash_clone(random.next_u64())
        };
        *(if killed { &mut self.figures.kills } else { &mut self.figures.power_failures }) += 1;
        self.fsync = if random.one_in(3) { Fsync::EverySecond } else { Fsync::Always };
        self.rolls_back = random.one_in(3);
        let now_ms = self.world.clock.now_ms();
        match World::on(memory, self.world.clock.clone(), self.fsync) {
            Ok(world) => self.world = world,
            Err(error) => self.fail(&error),
        }
        let found = self.world.dump();
        let state = match self.history.go_on(&found, killed, now_ms) {
            Ok(state) => state,
            Err(why) => self.fail(&format!("killed: {killed}: {why}")),
        };
        self.model = Model::default();
        self.model.state = state;
        self.world.say(&["SELECT", "0"]);
        self.world.say(&["CONFIG", "SET", "txn-rollback", if self.rolls_back { "yes" } else { "no" }]);
        self.recent.clear();
        self.watch();
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[test]
fn every_command_of_every_type_is_whole_or_not_at_all_whenever_the_server_dies() {
    let (commands, first) = (number("SILTSTONE_COMMANDS", 20_000), number("SILTSTONE_SEED", 1));
    let mut all = Figures::default();
    for seed in first.. {
        let mut run = Run::new(seed);
        eprintln!("seed {seed}");
        for _ in 0..LIFE.min(commands - all.commands) {
            run.act();
            run.idle();
        }
        run.compare();
        let Figures { commands, runs, transactions, scripts, refused, kills, power_failures, images } =
            run.figures;
        all.commands += commands;
        all.runs += runs;
        all.transactions += transactions;
        all.scripts += scripts;
        all.refused += refused;
        all.kills += kills;
        all.power_failures += power_failures;
        all.images += images;
        if all.commands >= number("SILTSTONE_COMMANDS", 20_000) {
            break;
        }
    }
    eprintln!("{all:?}");
}
