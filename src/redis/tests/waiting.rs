//! Many clients of which some wait: each is served when the model says so, in the order in which they came.
//!
//! Whoever writes is followed by those who can now be served, the longest waiting first, and by those whom these serve
//! in turn, before anybody else's command. `SILTSTONE_COMMANDS` and `SILTSTONE_SEED` are as in [`super::random`].

use super::draw::{Deed, Draw};
use super::model::{Model, Result, number};
use super::random::{expect_script, expect_transaction, words_of};
use super::reply::Reply;
use super::state::{Bytes, Value};
use super::world::{World, feed};
use crate::clock::Clock;
use crate::redis::pipeline::{Pace, Pipeline};
use crate::store::{Fsync, Tier};

const CALLERS: usize = 9;

/// So many commands, and the store begins anew.
const LIFE: u64 = 5000;

impl Model {
    /// Commands that wait, as they are answered where nobody may: null if there is nothing.
    pub(super) fn step_waiting(&mut self, words: &[&str]) -> Result {
        match words[0] {
            "BLMOVE" => self.move_element(words),
            "BLMPOP" => self.pop_from_first(&words[1..]),
            "BLPOP" | "BRPOP" => {
                for name in &words[1..words.len() - 1] {
                    let list = self.list(name)?;
                    if !list.is_empty() {
                        let at = if words[0] == "BLPOP" { 0 } else { list.len() - 1 };
                        return Ok(Reply::bulks([name.as_bytes(), &list.remove(at)]));
                    }
                }
                Ok(Reply::Nil)
            }
            "BZPOPMIN" | "BZPOPMAX" => {
                let popped = self.pop_scored(&words[1..words.len() - 1], words[0] == "BZPOPMAX", 1)?;
                Ok(popped.map_or(Reply::Nil, |(name, pairs)| {
                    let [member, score] = &pairs[0];
                    Reply::bulks([name.as_bytes(), member, score])
                }))
            }
            // BZMPOP timeout 2 key key MIN|MAX COUNT count
            "BZMPOP" => {
                let popped = self.pop_scored(&words[3..5], words[5] == "MAX", number(words[7]))?;
                Ok(popped.map_or(Reply::Nil, |(name, pairs)| {
                    let pairs = Reply::Array(pairs.iter().map(Reply::bulks).collect());
                    Reply::Array(vec![Reply::bulk(name), pairs])
                }))
            }
            other => panic!("{other}"),
        }
    }

    /// So many members with their scores of the first sorted set that has any.
    fn pop_scored(&mut self, names: &[&str], highest: bool, most: usize) -> Result<Option<Popped>> {
        for name in names {
            let members = self.sorted(name)?;
            let mut order: Vec<(i64, Bytes)> =
                members.iter().map(|(member, score)| (*score, member.clone())).collect();
            order.sort_unstable();
            if highest {
                order.reverse();
            }
            order.truncate(most);
            if !order.is_empty() {
                members.retain(|member, _| !order.iter().any(|(_, popped)| popped == member));
                let pairs = order.into_iter().map(|(score, member)| [member, score.to_string().into()]);
                return Ok(Some(((*name).to_owned(), pairs.collect())));
            }
        }
        Ok(None)
    }

    /// What a command is run as when it waits: `$` stands for what was last when it began.
    fn as_it_waits(&self, words: &[String]) -> Vec<String> {
        let mut settled = words.to_vec();
        for at in 0..words.len() {
            if words[at] == "$" {
                let last = match self.state.databases[self.at].get(&words[at - 1]).map(|key| &key.value) {
                    Some(Value::Stream(stream)) => stream.last(),
                    _ => 0,
                };
                settled[at] = format!("{last}-0");
            }
        }
        settled
    }

    /// Whether one of a waiting command's keys is such that it is run again.
    fn is_worth_it(&self, words: &[String]) -> bool {
        let kind_is = |name: &String| match self.state.databases[self.at].get(name).map(|key| &key.value) {
            Some(Value::List(_)) => words[0].contains('L') || words[0] == "BRPOP",
            Some(Value::Sorted(_)) => words[0].starts_with("BZ"),
            Some(Value::Stream(_)) => words[0].starts_with('X'),
            _ => false,
        };
        match words[0].as_str() {
            // It is told, too, that its stream has gone.
            "XREADGROUP" => true,
            "BLMOVE" => kind_is(&words[1]),
            _ => words[1..].iter().any(kind_is),
        }
    }
}

type Popped = (String, Vec<[Bytes; 2]>);

struct Waiting {
    words: Vec<String>,
    /// When its time is over, in Unix milliseconds.
    late_ms: Option<u64>,
}

struct Caller {
    pipeline: Pipeline,
    id: i64,
    /// The selected database.
    at: usize,
    waits: Option<Waiting>,
}

#[derive(Debug, Default)]
struct Figures {
    commands: u64,
    waited: u64,
    served: u64,
    late: u64,
    refused: u64,
    left: u64,
    most_at_once: usize,
}

struct Run {
    world: World,
    model: Model,
    draw: Draw,
    callers: Vec<Caller>,
    /// Those who wait, the longest first.
    line: Vec<usize>,
    recent: Vec<String>,
    figures: Figures,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut run = Self {
            world: World::new(Fsync::EverySecond),
            model: Model::default(),
            draw: Draw::new(seed),
            callers: Vec::new(),
            line: Vec::new(),
            recent: Vec::new(),
            figures: Figures::default(),
        };
        (0..CALLERS).for_each(|_| run.connect());
        run
    }

    fn connect(&mut self) {
        let mut caller = Caller { pipeline: self.world.connect(), id: 0, at: 0, waits: None };
        feed(&mut caller.pipeline, &[["CLIENT", "ID"]]);
        caller.id = step(&mut caller.pipeline).0[0].int();
        self.callers.push(caller);
    }

    fn note(&mut self, text: String) {
        if self.recent.len() > 40 {
            self.recent.remove(0);
        }
        self.recent.push(text.chars().take(300).collect());
    }

    /// Lets everybody go on who can, the longest waiting first, until nobody can. What each was told.
    fn settle(&mut self, writer: Option<usize>) -> Vec<(usize, Vec<Reply>)> {
        let mut told: Vec<(usize, Vec<Reply>)> = Vec::new();
        let mut writes = writer;
        loop {
            let is_late = |pipeline: &Pipeline| pipeline.blocked_left().is_some_and(|left| left.is_zero());
            let has_news = |at: &usize| {
                let pipeline = &self.callers[*at].pipeline;
                pipeline.has_news() || is_late(pipeline)
            };
            let first = writes.take().or_else(|| self.line.iter().copied().find(has_news));
            let Some(at) = first.or_else(|| writer.filter(|_| told.is_empty())) else { return told };
            let (replies, pace) = step(&mut self.callers[at].pipeline);
            match told.iter_mut().find(|(who, _)| *who == at) {
                Some((_, all)) => all.extend(replies),
                None if replies.is_empty() => {}
                None => told.push((at, replies)),
            }
            assert!(matches!(pace, Pace::More | Pace::Block | Pace::Yield), "{pace:?}");
            if matches!(pace, Pace::Block) && !self.line.contains(&at) {
                return told;
            }
        }
    }

    /// What those are told whom the model serves now.
    fn serve(&mut self) -> Vec<(usize, Vec<Reply>)> {
        let now_ms = self.world.clock.now_ms();
        let mut told = Vec::new();
        let mut next = 0;
        while let Some(&at) = self.line.get(next) {
            next += 1;
            let words = &self.callers[at].waits.as_ref().expect("it waits").words;
            self.model.at = self.callers[at].at;
            if !self.model.is_worth_it(words) {
                continue;
            }
            let before = self.model.clone();
            match self.model.run(words, now_ms) {
                // What finds nothing leaves nothing behind.
                Reply::Nil => self.model = before,
                reply => {
                    told.push((at, vec![reply]));
                    self.release(at);
                    self.figures.served += 1;
                    next = 0;
                }
            }
        }
        told
    }

    fn release(&mut self, at: usize) {
        self.callers[at].waits = None;
        self.line.retain(|other| *other != at);
    }

    fn compare(&mut self, mut said: Vec<(usize, Vec<Reply>)>, mut expected: Vec<(usize, Vec<Reply>)>) {
        said.sort_by_key(|(at, _)| *at);
        expected.sort_by_key(|(at, _)| *at);
        assert!(
            said == expected,
            "it said {said:?}\nthe model {expected:?}\nafter:\n{}",
            self.recent.join("\n")
        );
    }

    /// Something that whoever waits is told of. XGROUP SETID may make old entries new, and wakes nobody, in Redis as here.
    fn deed(&mut self) -> Deed {
        loop {
            let deed = self.draw.deed();
            let commands = match &deed {
                Deed::One(words) => std::slice::from_ref(words),
                // While somebody waits there are none.
                Deed::Run(_) => continue,
                Deed::Transaction(commands) | Deed::Script { commands, .. } => commands,
            };
            if !commands.iter().any(|words| words[0] == "XGROUP" && words[1] == "SETID") {
                return deed;
            }
        }
    }

    /// Somebody who does not wait does something.
    fn act(&mut self) {
        let idle: Vec<usize> = (0..CALLERS).filter(|at| self.callers[*at].waits.is_none()).collect();
        let at = idle[self.draw.random.below(idle.len() as u64) as usize];
        // One is always left to write.
        let deed = if idle.len() > 1 && self.draw.random.one_in(4) {
            Deed::One(self.draw.waiting())
        } else {
            self.deed()
        };
        self.note(format!("{at}: {deed:?}"));
        let now_ms = self.world.clock.now_ms();
        self.model.at = self.callers[at].at;
        let words = words_of(&deed);
        feed(&mut self.callers[at].pipeline, &words);
        let mut said = self.settle(Some(at));
        if let Some((_, replies)) = said.iter_mut().find(|(who, _)| *who == at) {
            replies.drain(..words.len() - 1);
        }
        let reply = match &deed {
            Deed::One(words) => self.model.run(words, now_ms),
            Deed::Run(_) => unreachable!("it is not drawn"),
            Deed::Transaction(commands) => expect_transaction(&mut self.model, commands, false, now_ms),
            Deed::Script { library, commands, protected, .. } => {
                expect_script(&mut self.model, library.as_ref(), commands, *protected, now_ms)
            }
        };
        self.callers[at].at = self.model.at;
        let mut expected = Vec::new();
        match &deed {
            Deed::One(words) if reply == Reply::Nil && timeout_of(words).is_some() => {
                let late_ms = timeout_of(words).filter(|ms| *ms > 0).map(|ms| now_ms + ms);
                self.callers[at].waits = Some(Waiting { words: self.model.as_it_waits(words), late_ms });
                self.line.push(at);
                self.figures.waited += 1;
                self.figures.most_at_once = self.figures.most_at_once.max(self.line.len());
            }
            _ => {
                expected.push((at, vec![reply]));
                expected.extend(self.serve());
            }
        }
        self.figures.commands += 1;
        self.compare(said, expected);
    }

    /// Time passes: what is late ends, and whoever waits for what goes is told.
    fn pass(&mut self) {
        self.world.clock.advance_ms(self.draw.random.below(400));
        let now_ms = self.world.clock.now_ms();
        self.note(format!("it is {now_ms}"));
        let late = |caller: &Caller| {
            caller.waits.as_ref().and_then(|waiting| waiting.late_ms).is_some_and(|late_ms| late_ms <= now_ms)
        };
        let over: Vec<usize> = self.line.iter().copied().filter(|at| late(&self.callers[*at])).collect();
        let said = self.settle(None);
        for at in &over {
            self.release(*at);
        }
        self.figures.late += over.len() as u64;
        self.compare(said, over.into_iter().map(|at| (at, vec![Reply::Nil])).collect());
        let store = self.world.instance.store().clone();
        while store.reap().unwrap().next_ms.is_some_and(|next_ms| next_ms <= now_ms) {}
        let said = self.settle(None);
        self.model.state.pass(now_ms);
        let expected = self.serve();
        self.compare(said, expected);
        while self.draw.random.one_in(3) && self.world.workers.step() {}
    }

    /// One who waits is told to stop, or hangs up.
    fn interrupt(&mut self) {
        let Some(&at) = self.line.get(self.draw.random.below(CALLERS as u64) as usize) else { return };
        self.note(format!("{at} is interrupted"));
        self.release(at);
        if self.draw.random.one_in(2) {
            self.callers.remove(at);
            self.line.iter_mut().filter(|other| **other > at).for_each(|other| *other -= 1);
            self.connect();
            self.figures.left += 1;
            return;
        }
        let (id, how) = (self.callers[at].id.to_string(), ["TIMEOUT", "ERROR"]);
        let how = how[self.draw.random.below(2) as usize];
        assert_eq!(self.world.say(&["CLIENT", "UNBLOCK", &id, how]), Reply::Int(1));
        self.line.push(at);
        let said = self.settle(None);
        self.release(at);
        let reply = if how == "ERROR" { Reply::error("UNBLOCKED") } else { Reply::Nil };
        self.figures.refused += 1;
        self.compare(said, vec![(at, vec![reply])]);
    }
}

/// How long a command waits, in milliseconds.
fn timeout_of(words: &[String]) -> Option<u64> {
    let ms = |seconds: &str| (number::<f64>(seconds) * 1000.0) as u64;
    match words[0].as_str() {
        "BLPOP" | "BRPOP" | "BLMOVE" | "BZPOPMIN" | "BZPOPMAX" => words.last().map(|word| ms(word)),
        "BLMPOP" | "BZMPOP" => Some(ms(&words[1])),
        _ => words.iter().position(|word| word == "BLOCK").map(|at| number(&words[at + 1])),
    }
}

/// Goes on with a connection as far as it goes.
fn step(pipeline: &mut Pipeline) -> (Vec<Reply>, Pace) {
    let mut output = Vec::new();
    let mut tier = Tier::Cached;
    loop {
        let pace = pipeline.run(tier);
        output.extend_from_slice(&pipeline.reply().take());
        match pace {
            Pace::Wait(_) => tier = Tier::Disk,
            Pace::Full => {}
            pace => return (Reply::read_all(&output), pace),
        }
    }
}

#[test]
fn whoever_waits_is_served_in_the_order_in_which_they_came() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (commands, first) = (number("SILTSTONE_COMMANDS", 10_000), number("SILTSTONE_SEED", 1));
    let mut all = Figures::default();
    for seed in first.. {
        eprintln!("seed {seed}");
        let mut run = Run::new(seed);
        for _ in 0..LIFE.min(commands - all.commands) {
            run.act();
            if run.draw.random.one_in(20) {
                run.pass();
            }
            if run.draw.random.one_in(40) {
                run.interrupt();
            }
        }
        let found = run.world.dump();
        let expected = run.model.state.at(run.world.clock.now_ms());
        assert!(found == expected, "it differs:{}", found.difference(&expected));
        let Figures { commands, waited, served, late, refused, left, most_at_once } = run.figures;
        all.commands += commands;
        all.waited += waited;
        all.served += served;
        all.late += late;
        all.refused += refused;
        all.left += left;
        all.most_at_once = all.most_at_once.max(most_at_once);
        if all.commands >= number("SILTSTONE_COMMANDS", 10_000) {
            break;
        }
    }
    eprintln!("{all:?}");
}
