//! Redis's parameters that are not settings of ours. Clients and tools look at them and set them, so CONFIG GET answers
//! and CONFIG SET accepts what Redis would, with Redis's words for what is wrong. But for the few that something here
//! asks for by name, setting one changes nothing: what they tune (encodings in memory, snapshots, replication) does not
//! exist on disk. They stand in the settings file below `[redis]`, and CONFIG REWRITE puts them there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64};

use parking_lot::Mutex;

use super::events::Events;
use super::number;
use crate::config::{BadSetting, Entry, File, Setting, nearest};

/// What values a parameter takes.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// What it is, and cannot be changed.
    Fixed,
    /// `yes` or `no`.
    YesNo,
    /// A whole number from … to ….
    Int(i64, i64),
    /// So many bytes, with a unit if wanted, at least so many.
    Bytes(i64),
    /// The same, or a share of the memory: `5%`.
    BytesOrPercent,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
    /// Seconds and changes, in turn.
    Save,
    /// Classes of clients and their limits.
    OutputLimits,
    /// Numbers from 0 to 100.
    Percentiles,
    /// Letters of events.
    EventClasses,
}

use Kind::{
    Bytes, BytesOrPercent, EventClasses, Fixed, Int, OutputLimits, Percentiles, Save, Text, Word, YesNo,
};

/// A parameter.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// What older versions called it.
    alias: &'static str,
    default: &'static str,
    kind: Kind,
    /// Shown only to who asks for it by its whole name.
    hidden: bool,
}

const fn parameter(name: &'static str, default: &'static str, kind: Kind) -> Parameter {
    Parameter { name, alias: "", default, kind, hidden: false }
}

impl Parameter {
    const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = alias;
        self
    }

    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// The parameter of this name, or that was once called so.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        PARAMETERS.iter().find(|one| one.name == name || (!one.alias.is_empty() && one.alias == name))
    }
}

const INT: Kind = Int(0, i32::MAX as i64);
const LONG: Kind = Int(0, i64::MAX);
const ANY: Kind = Int(i32::MIN as i64, i32::MAX as i64);
const PORT: Kind = Int(0, 65535);
const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
];
const PROTO_MAX_BULK_LEN: &str = "536870912";
const SLOWLOG_LOG_SLOWER_THAN: &str = "10000";
const SHUTDOWN: &[&str] = &["default", "save", "nosave", "now", "force"];

const PARAMETERS: &[Parameter] = &[
    parameter("acl-pubsub-default", "resetchannels", Word(&["allchannels", "resetchannels"])),
    parameter("aclfile", "", Fixed),
    parameter("acllog-max-len", "128", LONG),
    parameter("active-defrag-cycle-max", "25", Int(1, 99)),
    parameter("active-defrag-cycle-min", "1", Int(1, 99)),
    parameter("active-defrag-ignore-bytes", "104857600", Bytes(1)),
    parameter("active-defrag-max-scan-fields", "1000", Int(1, i64::MAX)),
    parameter("active-defrag-threshold-lower", "10", Int(0, 1000)),
    parameter("active-defrag-threshold-upper", "100", Int(0, 1000)),
    parameter("active-expire-effort", "1", Int(1, 10)),
    parameter("activedefrag", "no", Fixed),
    parameter("activerehashing", "yes", YesNo),
    parameter("always-show-logo", "no", Fixed),
    parameter("aof-load-truncated", "yes", YesNo),
    parameter("aof-rewrite-incremental-fsync", "yes", YesNo),
    parameter("aof-timestamp-enabled", "no", YesNo),
    parameter("aof-use-rdb-preamble", "yes", YesNo),
    parameter("appenddirname", "appendonlydir", Fixed),
    parameter("appendfilename", "appendonly.aof", Fixed),
    parameter("appendonly", "yes", YesNo),
    parameter("auto-aof-rewrite-min-size", "67108864", Bytes(0)),
    parameter("auto-aof-rewrite-percentage", "100", INT),
    // Ours: 0, so that a slow script holds up those alone who want its keys.
    parameter("busy-reply-threshold", "0", LONG).alias("lua-time-limit"),
    parameter(
        "client-output-buffer-limit",
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        OutputLimits,
    ),
    parameter("client-query-buffer-limit", "1073741824", Bytes(1 << 20)),
    parameter("cluster-enabled", "no", Fixed),
    parameter("crash-log-enabled", "yes", YesNo),
    parameter("crash-memcheck-enabled", "yes", YesNo),
    parameter("daemonize", "no", Fixed),
    parameter("databases", "16", Fixed),
    parameter("dbfilename", "dump.rdb", Text),
    parameter("dynamic-hz", "yes", YesNo),
    parameter("enable-debug-command", "yes", Fixed),
    parameter("enable-module-command", "no", Fixed),
    parameter("enable-protected-configs", "no", Fixed),
    parameter("hash-max-listpack-entries", "512", LONG).alias("hash-max-ziplist-entries"),
    parameter("hash-max-listpack-value", "64", Bytes(0)).alias("hash-max-ziplist-value"),
    parameter("hll-sparse-max-bytes", "3000", Bytes(0)),
    parameter("hz", "10", INT),
    parameter("io-threads", "1", Fixed),
    parameter("jemalloc-bg-thread", "yes", YesNo),
    parameter("key-load-delay", "0", ANY).hidden(),
    parameter("latency-monitor-threshold", "0", LONG),
    parameter("latency-tracking", "yes", YesNo),
    parameter("latency-tracking-info-percentiles", "50 99 99.9", Percentiles),
    parameter("lazyfree-lazy-eviction", "yes", YesNo),
    parameter("lazyfree-lazy-expire", "yes", YesNo),
    parameter("lazyfree-lazy-server-del", "yes", YesNo),
    parameter("lazyfree-lazy-user-del", "yes", YesNo),
    parameter("lazyfree-lazy-user-flush", "yes", YesNo),
    parameter("lfu-decay-time", "1", INT),
    parameter("lfu-log-factor", "10", INT),
    parameter("list-compress-depth", "0", INT),
    parameter("list-max-listpack-size", "-2", ANY).alias("list-max-ziplist-size"),
    parameter("logfile", "", Fixed),
    parameter("masterauth", "", Text),
    parameter("masteruser", "", Text),
    parameter("maxmemory", "0", Bytes(0)),
    parameter("maxmemory-clients", "0", BytesOrPercent),
    parameter("maxmemory-eviction-tenacity", "10", Int(0, 100)),
    parameter("maxmemory-policy", "noeviction", Word(POLICIES)),
    parameter("maxmemory-samples", "5", Int(1, i32::MAX as i64)),
    parameter("min-replicas-max-lag", "10", INT).alias("min-slaves-max-lag"),
    parameter("min-replicas-to-write", "0", INT).alias("min-slaves-to-write"),
    parameter("no-appendfsync-on-rewrite", "no", YesNo),
    parameter("notify-keyspace-events", "", EventClasses),
    parameter("oom-score-adj", "no", Word(&["no", "yes", "relative", "absolute"])),
    parameter("oom-score-adj-values", "0 200 800", Text),
    parameter("pidfile", "", Fixed),
    parameter("proc-title-template", "{title} {listen-addr} {server-mode}", Text),
    parameter("proto-max-bulk-len", PROTO_MAX_BULK_LEN, Bytes(1 << 20)),
    parameter("rdb-del-sync-files", "no", YesNo),
    parameter("rdb-key-save-delay", "0", ANY).hidden(),
    parameter("rdb-save-incremental-fsync", "yes", YesNo),
    parameter("rdbchecksum", "yes", Fixed),
    parameter("rdbcompression", "yes", YesNo),
    parameter("repl-backlog-size", "1048576", Bytes(1)),
    parameter("repl-backlog-ttl", "3600", LONG),
    parameter("repl-disable-tcp-nodelay", "no", YesNo),
    parameter("repl-diskless-load", "disabled", Word(&["disabled", "on-empty-db", "swapdb"])),
    parameter("repl-diskless-sync", "yes", YesNo),
    parameter("repl-diskless-sync-delay", "5", INT),
    parameter("repl-ping-replica-period", "10", Int(1, i32::MAX as i64)).alias("repl-ping-slave-period"),
    parameter("repl-timeout", "60", Int(1, i32::MAX as i64)),
    parameter("replica-announce-ip", "", Text).alias("slave-announce-ip"),
    parameter("replica-announce-port", "0", PORT).alias("slave-announce-port"),
    parameter("replica-lazy-flush", "yes", YesNo).alias("slave-lazy-flush"),
    parameter("replica-priority", "100", INT).alias("slave-priority"),
    parameter("replica-read-only", "yes", YesNo).alias("slave-read-only"),
    parameter("replica-serve-stale-data", "yes", YesNo).alias("slave-serve-stale-data"),
    parameter("replicaof", "", Fixed).alias("slaveof"),
    parameter("sanitize-dump-payload", "yes", Word(&["no", "yes", "clients"])),
    parameter("save", "", Save),
    parameter("set-max-intset-entries", "512", LONG),
    parameter("set-max-listpack-entries", "128", LONG),
    parameter("set-max-listpack-value", "64", Bytes(0)),
    parameter("shutdown-on-sigint", "default", Word(SHUTDOWN)),
    parameter("shutdown-on-sigterm", "default", Word(SHUTDOWN)),
    parameter("shutdown-timeout", "10", INT),
    parameter("slowlog-log-slower-than", SLOWLOG_LOG_SLOWER_THAN, Int(-1, i64::MAX)),
    parameter("slowlog-max-len", "128", LONG),
    parameter("socket-mark-id", "0", Fixed),
    parameter("stop-writes-on-bgsave-error", "yes", YesNo),
    parameter("stream-node-max-bytes", "4096", Bytes(0)),
    parameter("stream-node-max-entries", "100", LONG),
    parameter("tcp-backlog", "511", Fixed),
    parameter("tcp-keepalive", "300", INT),
    parameter("timeout", "0", INT),
    // Where it is not set: whether there is a ca.pem.
    parameter("tls-auth-clients", "yes", Word(&["no", "yes", "optional"])),
    parameter("tracking-table-max-keys", "1000000", LONG),
    // Ours: whether an error inside EXEC undoes all of it. CLIENT TXN ROLLBACK says otherwise.
    parameter("txn-rollback", "no", YesNo),
    // Ours: whether a script may take keys that it did not declare, with every lock held.
    parameter("undeclared-script-keys", "lock-all", Word(&["lock-all", "refuse"])),
    parameter("unixsocket", "", Fixed),
    parameter("unixsocketperm", "0", Fixed),
    parameter("zset-max-listpack-entries", "128", LONG).alias("zset-max-ziplist-entries"),
    parameter("zset-max-listpack-value", "64", Bytes(0)).alias("zset-max-ziplist-value"),
];

/// What is wrong with a value.
type Refusal = Cow<'static, str>;

/// Those that were set.
pub struct Parameters {
    set: Mutex<BTreeMap<&'static str, String>>,
    /// `latency-monitor-threshold`, which is asked for at every command.
    latency_threshold_ms: AtomicU64,
    /// `maxmemory`, likewise.
    maxmemory: AtomicU64,
    /// Whether `maxmemory-policy` counts uses.
    counts_uses: AtomicBool,
    /// `proto-max-bulk-len`, which each connection looks at.
    bulk_bytes_max: AtomicU64,
    /// `timeout`.
    timeout_s: AtomicU64,
    /// `slowlog-log-slower-than`, which every command looks at.
    slow_us: AtomicI64,
    /// `notify-keyspace-events`.
    events: AtomicU32,
    /// Whether `min-replicas-to-write` and `min-replicas-max-lag` ask for any.
    wants_replicas: AtomicBool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            set: Mutex::default(),
            latency_threshold_ms: AtomicU64::new(0),
            maxmemory: AtomicU64::new(0),
            counts_uses: AtomicBool::new(false),
            bulk_bytes_max: AtomicU64::new(PROTO_MAX_BULK_LEN.parse().unwrap_or(0)),
            timeout_s: AtomicU64::new(0),
            slow_us: AtomicI64::new(SLOWLOG_LOG_SLOWER_THAN.parse().unwrap_or(-1)),
            events: AtomicU32::new(0),
            wants_replicas: AtomicBool::new(false),
        }
    }
}

impl Parameters {
    /// Those of a settings file, or what is wrong with the first bad one.
    pub fn load(file: &File) -> Result<Self, BadSetting> {
        let bad = |entry, what| BadSetting { place: file.place(entry), what };
        for entry in &file.settings {
            if Setting::named(&entry.name).is_none() && Parameter::named(&entry.name).is_some() {
                let what = format!("`{}` is a parameter of Redis: write it below a line [redis]", entry.name);
                return Err(bad(entry, what));
            }
        }
        let parameters = Self::default();
        for entry in &file.redis {
            let name = &entry.name;
            let Some(parameter) = Parameter::named(name) else {
                let what = if Setting::named(name).is_some() {
                    format!("`{name}` is a setting: write it above the line [redis]")
                } else {
                    let near = nearest(name, PARAMETERS.iter().map(|one| one.name));
                    format!("Redis has no parameter `{name}`{near}")
                };
                return Err(bad(entry, what));
            };
            let checked = parameters.check(parameter, &entry.value);
            parameters.set(parameter, checked.map_err(|why| bad(entry, format!("{name}: {why}")))?);
        }
        Ok(parameters)
    }

    /// What a settings file should say: for each of its entries what is to stand there instead, if anything; and those to
    /// add, since they differ from their defaults.
    pub(crate) fn rewrite(&self, entries: &[Entry]) -> (Vec<Option<String>>, Vec<(&'static str, String)>) {
        let entries: Vec<_> =
            entries.iter().map(|entry| (Parameter::named(&entry.name), &entry.value)).collect();
        let changed = |(parameter, value): &(Option<&'static Parameter>, &String)| {
            let now = self.get((*parameter)?);
            let says = self.check((*parameter)?, value);
            says.map_or(true, |says| says != now).then_some(now)
        };
        let missing = |one: &&Parameter| {
            entries.iter().all(|(parameter, _)| parameter.is_none_or(|other| other.name != one.name))
        };
        // What cannot be set is told as it is, and not written.
        let added = PARAMETERS
            .iter()
            .filter(|one| missing(one) && !matches!(one.kind, Fixed))
            .map(|one| (one.name, self.get(one), one.default))
            .filter(|(_, value, default)| value != default)
            .map(|(name, value, _)| (name, value))
            .collect();
        (entries.iter().map(changed).collect(), added)
    }

    /// A parameter's value.
    pub(crate) fn get(&self, parameter: &'static Parameter) -> String {
        self.set.lock().get(parameter.name).cloned().unwrap_or_else(|| parameter.default.to_owned())
    }

    /// What a parameter was set to, if it was.
    pub(crate) fn given(&self, name: &str) -> Option<String> {
        self.set.lock().get(name).cloned()
    }

    /// A parameter's value as a number; 0 if there is none of this name.
    pub(crate) fn int(&self, name: &str) -> i64 {
        number::parse_i64(self.text(name).as_bytes()).unwrap_or_default()
    }

    /// A parameter's value; empty if there is none of this name.
    pub(crate) fn text(&self, name: &str) -> String {
        Parameter::named(name).map(|one| self.get(one)).unwrap_or_default()
    }

    /// From how many milliseconds on commands are latency events; `None` if none are.
    pub(crate) fn latency_threshold_ms(&self) -> Option<u64> {
        Some(self.latency_threshold_ms.load(Relaxed)).filter(|&ms| ms > 0)
    }

    /// Bytes from which writes are refused; `None` if none are.
    pub(crate) fn maxmemory(&self) -> Option<u64> {
        Some(self.maxmemory.load(Relaxed)).filter(|&bytes| bytes > 0)
    }

    /// Whether it is of interest how often keys are used rather than when: `maxmemory-policy` names LFU.
    pub(crate) fn counts_uses(&self) -> bool {
        self.counts_uses.load(Relaxed)
    }

    /// Bytes of the longest value or argument.
    pub(crate) fn bulk_bytes_max(&self) -> u64 {
        self.bulk_bytes_max.load(Relaxed)
    }

    /// Seconds after which an idle client is disconnected; `None`: never.
    pub(crate) fn timeout_s(&self) -> Option<u64> {
        Some(self.timeout_s.load(Relaxed)).filter(|&seconds| seconds > 0)
    }

    /// How long a slow command takes, in nanoseconds; `None` if none are remembered.
    pub(crate) fn slow_ns(&self) -> Option<u64> {
        u64::try_from(self.slow_us.load(Relaxed)).ok().map(|us| us.saturating_mul(1000))
    }

    /// Which events of keys are published.
    pub(crate) fn events(&self) -> Events {
        Events::from_bits(self.events.load(Relaxed))
    }

    /// Whether writes are to reach replicas, of which there are none.
    pub(crate) fn wants_replicas(&self) -> bool {
        self.wants_replicas.load(Relaxed)
    }

    /// All names and values, aliases by themselves; what is hidden only if `named` says that it was asked for.
    pub(crate) fn all(&self, named: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        for one in PARAMETERS.iter().filter(|one| !one.hidden || named(one.name)) {
            let value = match one.kind {
                EventClasses => self.events().to_string(),
                _ => self.get(one),
            };
            if !one.alias.is_empty() {
                all.push((one.alias, value.clone()));
            }
            all.push((one.name, value));
        }
        all
    }

    /// Sets what [`check`] found good.
    pub(crate) fn set(&self, parameter: &'static Parameter, value: String) {
        let number = || value.parse().unwrap_or(0);
        match parameter.name {
            "latency-monitor-threshold" => self.latency_threshold_ms.store(number(), Relaxed),
            "maxmemory" => self.maxmemory.store(number(), Relaxed),
            "proto-max-bulk-len" => self.bulk_bytes_max.store(number(), Relaxed),
            "timeout" => self.timeout_s.store(number(), Relaxed),
            "slowlog-log-slower-than" => self.slow_us.store(value.parse().unwrap_or(-1), Relaxed),
            "notify-keyspace-events" => {
                self.events.store(Events::parse(&value).unwrap_or_default().bits(), Relaxed);
            }
            "maxmemory-policy" => self.counts_uses.store(value.ends_with("-lfu"), Relaxed),
            _ => {}
        }
        self.set.lock().insert(parameter.name, value);
        if parameter.name.starts_with("min-replicas-") {
            let both = ["min-replicas-to-write", "min-replicas-max-lag"];
            self.wants_replicas.store(both.iter().all(|name| self.int(name) > 0), Relaxed);
        }
    }

    /// What a parameter's value would be if this were set, or why it cannot.
    pub(crate) fn check(&self, parameter: &'static Parameter, value: &str) -> Result<String, Refusal> {
        let lower = value.to_ascii_lowercase();
        match parameter.kind {
            Fixed if self.get(parameter) == value => Ok(lower),
            Fixed => Err("can't set immutable config".into()),
            Text => Ok(value.to_owned()),
            YesNo if lower == "yes" || lower == "no" => Ok(lower),
            YesNo => Err("argument must be 'yes' or 'no'".into()),
            Word(words) if !lower.is_empty() && lower.split(' ').all(|word| words.contains(&word)) => {
                Ok(lower)
            }
            Word(words) => {
                Err(format!("argument(s) must be one of the following: {}", words.join(", ")).into())
            }
            Int(least, most) => {
                let n = number::parse_i64(value.as_bytes());
                within(n.ok_or("argument couldn't be parsed into an integer")?, least, most)
            }
            Bytes(least) => {
                let n = bytes(&lower).ok_or("argument must be a memory value")?;
                within(n, least, i64::MAX)
            }
            BytesOrPercent => match lower.strip_suffix('%') {
                Some(percent) => match number::parse_i64(percent.as_bytes()) {
                    Some(0..=100) => Ok(lower),
                    Some(101..) => Err("percentage argument must be less or equal to 100".into()),
                    _ => Err("argument must be a memory or percent value".into()),
                },
                None => {
                    within(bytes(&lower).ok_or("argument must be a memory or percent value")?, 0, i64::MAX)
                }
            },
            Save => save(value).ok_or_else(|| "Invalid save parameters".into()),
            OutputLimits => output_limits(&self.get(parameter), &lower),
            Percentiles => percentiles(value),
            // As they were given: shown as Redis shows them, some are hidden.
            EventClasses => Ok(Events::parse(value).map(|_| value.to_owned())?),
        }
    }
}

fn within(n: i64, least: i64, most: i64) -> Result<String, Refusal> {
    if (least..=most).contains(&n) {
        return Ok(n.to_string());
    }
    Err(format!("argument must be between {least} and {most} inclusive").into())
}

/// As Redis reads sizes: `k` is a thousand and `kb` 1024. The units of the settings are taken too.
fn bytes(lower: &str) -> Option<i64> {
    let digits = lower.len() - lower.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = lower.split_at(digits);
    let unit = match unit {
        "" | "b" => 1,
        "k" => 1000,
        "kb" | "kib" => 1 << 10,
        "m" => 1_000_000,
        "mb" | "mib" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

/// Pairs of seconds, at least one, and changes.
fn save(value: &str) -> Option<String> {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    let good = |(i, word): (usize, &&str)| {
        number::parse_i64(word.as_bytes()).is_some_and(|n| n >= i64::from(i.is_multiple_of(2)))
    };
    (words.len().is_multiple_of(2) && words.iter().enumerate().all(good)).then(|| words.join(" "))
}

/// Each class is given with its three limits; those not given stay as they are.
fn output_limits(old: &str, lower: &str) -> Result<String, Refusal> {
    let words: Vec<&str> = lower.split_ascii_whitespace().collect();
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    let old: Vec<&str> = old.split_ascii_whitespace().collect();
    let mut classes: Vec<Vec<String>> =
        old.chunks(4).map(|class| class.iter().map(ToString::to_string).collect()).collect();
    for given in words.chunks(4) {
        let [class, hard, soft, seconds] = given else { continue };
        let class = if *class == "replica" { "slave" } else { class };
        let Some(limits) = classes.iter_mut().find(|limits| limits.first().is_some_and(|name| name == class))
        else {
            return Err("Invalid client class specified in buffer limit configuration.".into());
        };
        let numbers = (bytes(hard), bytes(soft), number::parse_i64(seconds.as_bytes()));
        let (Some(hard), Some(soft), Some(seconds @ 0..)) = numbers else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into());
        };
        *limits = vec![class.to_owned(), hard.to_string(), soft.to_string(), seconds.to_string()];
    }
    Ok(classes.concat().join(" "))
}

fn percentiles(value: &str) -> Result<String, Refusal> {
    let mut shown = Vec::new();
    for word in value.split_ascii_whitespace() {
        let n = number::parse_f64(word.as_bytes())
            .ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&n) {
            return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
        }
        shown.push(n.to_string());
    }
    Ok(shown.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_defaults_are_good() {
        assert!(PARAMETERS.windows(2).all(|pair| pair[0].name < pair[1].name));
        let parameters = Parameters::default();
        for one in PARAMETERS {
            assert_eq!(
                parameters.check(one, one.default).unwrap(),
                one.default.to_lowercase(),
                "{}",
                one.name
            );
        }
    }

    #[test]
    fn classes_of_events_are_shown_as_redis_shows_them_and_kept_as_they_were_given() {
        let parameters = Parameters::default();
        let parameter = Parameter::named("notify-keyspace-events").unwrap();
        parameters.set(parameter, parameters.check(parameter, "KEAn").unwrap());
        assert!(parameters.events().has(Events::NEW));
        assert!(parameters.all(|_| false).contains(&(parameter.name, "AKE".to_owned())));
        assert_eq!(parameters.rewrite(&[]).1, [(parameter.name, "KEAn".to_owned())]);
        assert!(parameters.check(parameter, "KEq").is_err());
    }

    #[test]
    fn values_are_read_as_redis_reads_them() {
        let parameters = Parameters::default();
        let check = |name, value| {
            let checked = parameters.check(Parameter::named(name).unwrap(), value);
            checked.unwrap_or_else(Cow::into_owned)
        };
        assert_eq!(check("maxmemory", "10mb"), "10485760");
        assert_eq!(check("maxmemory", "1k"), "1000");
        assert_eq!(check("maxmemory", "9g9"), "argument must be a memory value");
        assert_eq!(check("hash-max-ziplist-value", "-1"), "argument must be a memory value");
        assert_eq!(
            check("client-query-buffer-limit", "1"),
            "argument must be between 1048576 and 9223372036854775807 inclusive"
        );
        assert_eq!(check("maxmemory-clients", "200%"), "percentage argument must be less or equal to 100");
        assert_eq!(check("maxmemory-clients", "5%"), "5%");
        assert_eq!(check("save", "3600 1  300 100"), "3600 1 300 100");
        assert_eq!(check("save", "0 1"), "Invalid save parameters");
        assert_eq!(check("hz", "x"), "argument couldn't be parsed into an integer");
        assert_eq!(check("daemonize", "yes"), "can't set immutable config");
        assert_eq!(check("shutdown-on-sigint", "nosave now"), "nosave now");
        assert_eq!(
            check("client-output-buffer-limit", "replica 1mb 0 5"),
            "normal 0 0 0 slave 1048576 0 5 pubsub 33554432 8388608 60"
        );
        assert_eq!(check("latency-tracking-info-percentiles", "0.0 50.0 100"), "0 50 100");
    }

    #[test]
    fn a_file_says_what_is_wrong_and_is_rewritten() {
        let load = |content: &str| {
            let file = File::parse(std::path::Path::new("s.toml"), content)?;
            Parameters::load(&file).map(|parameters| (file, parameters))
        };
        let bad = |content| load(content).err().map(|bad| bad.to_string()).unwrap_or_default();
        assert_eq!(
            bad("[redis]\ntxn-rollback = 1"),
            "s.toml:2: txn-rollback: argument must be 'yes' or 'no'"
        );
        assert_eq!(
            bad("[redis]\ntxn-rolback = 'yes'"),
            "s.toml:2: Redis has no parameter `txn-rolback`; did you mean `txn-rollback`?"
        );
        assert_eq!(
            bad("\ntimeout = 5"),
            "s.toml:2: `timeout` is a parameter of Redis: write it below a line [redis]"
        );
        assert_eq!(
            bad("[redis]\nmemory = '1GiB'"),
            "s.toml:2: `memory` is a setting: write it above the line [redis]"
        );
        let (file, parameters) =
            load("[redis]\nproto-max-bulk-len = '1mb'\nlua-time-limit = 7\nhz = 20").unwrap();
        assert_eq!(parameters.bulk_bytes_max(), 1 << 20);
        parameters.set(Parameter::named("busy-reply-threshold").unwrap(), "9".to_owned());
        parameters.set(Parameter::named("timeout").unwrap(), "3".to_owned());
        let (changed, added) = parameters.rewrite(&file.redis);
        assert_eq!(changed, [None, Some("9".to_owned()), None]);
        assert_eq!(added, [("timeout", "3".to_owned())]);
    }
}
