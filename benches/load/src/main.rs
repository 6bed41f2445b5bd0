//! Load for a server that speaks Redis's protocol, and a check that every key is right afterwards.
//!
//! Each connection has a thread, sends a pipeline of commands, reads all replies, and begins again. A value is made of
//! its key's number and of how often that key was written, so that a later read knows what must be there. A key is
//! written by one connection only: what was acknowledged last is what counts.
//!
//! ```text
//! cargo run --release --manifest-path benches/load/Cargo.toml -- --keys 8000000 --phases load,uniform,hot,mix,verify
//! ```

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clap::Parser;
use siltstone::metrics::Histogram;
use siltstone::random::Random;

/// Load for a server that speaks Redis's protocol, and a check that every key is right afterwards
#[derive(Clone, Debug, Parser)]
struct Args {
    /// Where the server listens
    #[arg(long, default_value = "127.0.0.1:6379")]
    address: String,
    /// How many keys
    #[arg(long, default_value_t = 8_000_000)]
    keys: u64,
    /// Bytes of a value
    #[arg(long, default_value_t = 400)]
    value_size: usize,
    /// Connections
    #[arg(long, default_value_t = 50)]
    connections: u64,
    /// Commands sent before their replies are read, in the phases that take every key
    #[arg(long, default_value_t = 16)]
    pipeline: u64,
    /// The same in the phases that take a while
    #[arg(long, default_value_t = 1)]
    depth: u64,
    /// Seconds of each phase but load and verify
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The share of the keys that are hot, in thousandths
    #[arg(long, default_value_t = 10)]
    hot_permille: u64,
    /// Unix milliseconds at which the keys that are set expire; 0: never
    #[arg(long, default_value_t = 0)]
    expire_at_ms: u64,
    /// load (every key once), hash (each a field of one hash), uniform (GETs), hot (GETs), mix (half SETs), verify
    /// (every key, compared)
    #[arg(long, value_delimiter = ',', default_value = "load,uniform,hot,mix,verify")]
    phases: Vec<String>,
}

/// How often each key was written, as far as was acknowledged.
type Written = Vec<AtomicU8>;

#[derive(Default)]
struct Sums {
    operations: AtomicU64,
    missing: AtomicU64,
    wrong: AtomicU64,
    latencies: Histogram,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let written: Written = (0..args.keys).map(|_| AtomicU8::new(u8::from(!has(&args, "load")))).collect();
    let mut sound = true;
    for phase in &args.phases {
        let sums = Sums::default();
        let start = Instant::now();
        let failed = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..args.connections)
                .map(|n| {
                    let (args, written, sums) = (&args, &written, &sums);
                    scope.spawn(move || Connection::open(args, n, written, sums)?.run(phase))
                })
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().expect("a thread ends").err()).next()
        });
        if let Some(error) = failed {
            eprintln!("{phase}: {error}");
            return ExitCode::FAILURE;
        }
        show(phase, &sums, start.elapsed());
        sound &= sums.missing.load(Relaxed) + sums.wrong.load(Relaxed) == 0;
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn has(args: &Args, phase: &str) -> bool {
    args.phases.iter().any(|other| other == phase)
}

fn show(phase: &str, sums: &Sums, took: Duration) {
    let latencies = sums.latencies.snapshot();
    let ms = |share| latencies.quantile_ns(share) as f64 / 1e6;
    let operations = sums.operations.load(Relaxed);
    println!(
        "{phase:8} {:8.1} k/s  {operations} in {:.1} s  p50 {:.2} p99 {:.2} p99.9 {:.2} max {:.1} ms  {} missing {} wrong",
        operations as f64 / took.as_secs_f64() / 1e3,
        took.as_secs_f64(),
        ms(0.5),
        ms(0.99),
        ms(0.999),
        latencies.max_ns() as f64 / 1e6,
        sums.missing.load(Relaxed),
        sums.wrong.load(Relaxed)
    );
}

struct Connection<'a> {
    args: &'a Args,
    number: u64,
    written: &'a Written,
    sums: &'a Sums,
    stream: TcpStream,
    replies: BufReader<TcpStream>,
    random: Random,
    out: Vec<u8>,
    /// What was sent and is not answered.
    sent: Vec<(u64, Sent)>,
    value: Vec<u8>,
    expected: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Sent {
    Get,
    /// With how often the key will have been written.
    Set(u8),
    Hset,
}

impl<'a> Connection<'a> {
    fn open(args: &'a Args, number: u64, written: &'a Written, sums: &'a Sums) -> io::Result<Self> {
        let stream = TcpStream::connect(&args.address)?;
        stream.set_nodelay(true)?;
        let replies = BufReader::with_capacity(1 << 16, stream.try_clone()?);
        let random = Random::seeded(number.wrapping_mul(0x9E37_79B9) + 1);
        Ok(Self {
            args,
            number,
            written,
            sums,
            stream,
            replies,
            random,
            out: Vec::new(),
            sent: Vec::new(),
            value: Vec::new(),
            expected: Vec::new(),
        })
    }

    fn run(mut self, phase: &str) -> io::Result<()> {
        let keys = self.args.keys;
        match phase {
            "load" => self.each_own(|own, key| own.set(key)),
            "hash" => self.each_own(|own, key| own.hset(key)),
            "verify" => self.each_own(|own, key| own.get(key)),
            "uniform" => self.while_time(|own| {
                let key = own.random.below(keys);
                own.get(key);
            }),
            "hot" => {
                // Spread over all keys, so that they share no blocks.
                let hot = (keys * self.args.hot_permille / 1000).max(1);
                self.while_time(|own| {
                    let key = own.random.below(hot) * (keys / hot);
                    own.get(key);
                })
            }
            "mix" => self.while_time(|own| {
                let key = own.random.below(keys);
                if own.random.one_in(2) {
                    own.get(key);
                } else {
                    let mine = key - key % own.args.connections + own.number;
                    own.set(if mine < keys { mine } else { own.number });
                }
            }),
            other => Err(io::Error::other(format!("there is no phase {other}"))),
        }
    }

    /// Every key of this connection's.
    fn each_own(&mut self, step: impl Fn(&mut Self, u64)) -> io::Result<()> {
        let mut key = self.number;
        while key < self.args.keys {
            while key < self.args.keys && (self.sent.len() as u64) < self.args.pipeline {
                step(self, key);
                key += self.args.connections;
            }
            self.exchange()?;
        }
        Ok(())
    }

    fn while_time(&mut self, step: impl Fn(&mut Self)) -> io::Result<()> {
        let end = Instant::now() + Duration::from_secs(self.args.seconds);
        while Instant::now() < end {
            while (self.sent.len() as u64) < self.args.depth {
                step(self);
            }
            self.exchange()?;
        }
        Ok(())
    }

    fn get(&mut self, key: u64) {
        self.out.extend_from_slice(format!("*2\r\n$3\r\nGET\r\n$16\r\nkey:{key:012}\r\n").as_bytes());
        self.sent.push((key, Sent::Get));
    }

    fn set(&mut self, key: u64) {
        let so_far = self.sent.iter().filter(|(other, sent)| *other == key && matches!(sent, Sent::Set(_))).count();
        let times = self.written[key as usize].load(Relaxed).wrapping_add(1 + so_far as u8);
        fill(&mut self.value, key, times, self.args.value_size);
        let len = self.value.len();
        let at_ms = self.args.expire_at_ms;
        let words = if at_ms > 0 { 5 } else { 3 };
        let head = format!("*{words}\r\n$3\r\nSET\r\n$16\r\nkey:{key:012}\r\n${len}\r\n");
        self.out.extend_from_slice(head.as_bytes());
        self.out.extend_from_slice(&self.value);
        self.out.extend_from_slice(b"\r\n");
        if at_ms > 0 {
            self.out.extend_from_slice(format!("$4\r\nPXAT\r\n$13\r\n{at_ms:013}\r\n").as_bytes());
        }
        self.sent.push((key, Sent::Set(times)));
    }

    fn hset(&mut self, key: u64) {
        fill(&mut self.value, key, 0, self.args.value_size);
        let len = self.value.len();
        let head = format!("*4\r\n$4\r\nHSET\r\n$4\r\nhash\r\n$16\r\nkey:{key:012}\r\n${len}\r\n");
        self.out.extend_from_slice(head.as_bytes());
        self.out.extend_from_slice(&self.value);
        self.out.extend_from_slice(b"\r\n");
        self.sent.push((key, Sent::Hset));
    }

    /// Sends what is staged and reads the replies.
    fn exchange(&mut self) -> io::Result<()> {
        let start = Instant::now();
        self.stream.write_all(&self.out)?;
        self.out.clear();
        for (key, sent) in std::mem::take(&mut self.sent) {
            match sent {
                Sent::Set(times) => {
                    let line = self.line()?;
                    if line != "+OK" {
                        return Err(io::Error::other(format!("SET of {key}: {line}")));
                    }
                    self.written[key as usize].store(times, Relaxed);
                }
                Sent::Hset => {
                    let line = self.line()?;
                    if !line.starts_with(':') {
                        return Err(io::Error::other(format!("HSET of {key}: {line}")));
                    }
                }
                Sent::Get => self.read_value(key)?,
            }
            self.sums.latencies.record_ns(start.elapsed().as_nanos() as u64);
            self.sums.operations.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn read_value(&mut self, key: u64) -> io::Result<()> {
        let line = self.line()?;
        if line == "$-1" {
            self.sums.missing.fetch_add(1, Relaxed);
            return Ok(());
        }
        let len = line.strip_prefix('$').and_then(|len| len.parse().ok());
        let len: usize = len.ok_or_else(|| io::Error::other(format!("GET of {key}: {line}")))?;
        self.value.resize(len + 2, 0);
        self.replies.read_exact(&mut self.value)?;
        self.value.truncate(len);
        // Somebody else may be writing the key: what it says of itself must be whole; if it is ours, it must be the
        // newest that was acknowledged.
        let times = self.value.first().copied().unwrap_or(0);
        fill(&mut self.expected, key, times, self.args.value_size);
        let is_ours = key % self.args.connections == self.number;
        let newest = self.written[key as usize].load(Relaxed);
        if self.value != self.expected || (is_ours && has(self.args, "load") && times != newest) {
            self.sums.wrong.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.replies.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// The value of a key that was written so many times: random bytes that nobody compresses.
fn fill(value: &mut Vec<u8>, key: u64, times: u8, len: usize) {
    value.resize(len, 0);
    Random::seeded(key << 8 | u64::from(times)).fill(value);
    if let Some(first) = value.first_mut() {
        *first = times;
    }
}
