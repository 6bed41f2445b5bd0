//! `siltstone bench`: how fast the engine is here, with the workloads and the line that users of db_bench know.
//!
//! The workloads run in the order given, on one store, each as soon as the one before has ended, whatever that
//! left for the background. Those that fill begin with an empty store; the others take what they find, so that
//! `bench readrandom` works on what an earlier `bench fillrandom` left behind.

pub mod workload;

mod data;
mod subject;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

pub use self::subject::Siltstone;
use self::workload::{Load, Outcome, WORKLOADS, Workload};
use super::{Failure, Out, size};
use crate::engine::{Compression, Fsync, Options};

/// What the command line asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  siltstone bench fillrandom,readrandom --dir /tmp/bench
  siltstone bench fillseq,readseq --dir /tmp/bench --num 3000000 --value-size 100 --cache 512MiB
  siltstone bench overwrite --dir /tmp/bench --duration 600 --fsync always --histogram

Workloads: fillseq fillrandom overwrite readrandom readseq seekrandom readwhilewriting deleterandom")]
pub(crate) struct Args {
    /// Workloads, separated by commas, done in this order
    #[arg(value_name = "NAMES", value_delimiter = ',', required = true, value_parser = workload)]
    names: Vec<Workload>,
    /// Directory of the store; one that bench did not make is refused
    #[arg(long, value_name = "DIR", default_value = "./siltstone-bench")]
    dir: PathBuf,
    /// Keys are numbers below this, and each thread writes this many
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    num: u64,
    /// Operations of each reading thread [default: as --num]
    #[arg(long, value_name = "N")]
    reads: Option<u64>,
    /// Bytes of a key
    #[arg(long, value_name = "B", default_value_t = 16, value_parser = clap::value_parser!(u16).range(2..))]
    key_size: u16,
    /// Bytes of a value
    #[arg(long, value_name = "B", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=64 << 20))]
    value_size: u32,
    /// Threads; readwhilewriting has one more, which writes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Block and row caches together
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = size)]
    cache: u64,
    /// A memtable of this size is flushed
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    memtable: u64,
    /// When a write is on disk: always, everysec or never
    #[arg(long, value_name = "MODE", default_value = "never", value_parser = super::fsync)]
    fsync: Fsync,
    /// The share of its size that a value compresses to, from 0 to 1
    #[arg(long, value_name = "R", default_value_t = 0.5, value_parser = ratio)]
    compression_ratio: f64,
    /// How blocks are compressed: lz4 or none
    #[arg(long, value_name = "HOW", default_value = "lz4", value_parser = compression)]
    compression: Compression,
    /// Bits of filter for each key
    #[arg(long, value_name = "BITS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=20))]
    filter_bits: u32,
    /// Goes on for so many seconds instead of a number of operations; implies --histogram
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    duration: Option<u64>,
    /// Times every operation, and adds p50, p99, p99.9 and the longest to the line
    #[arg(long)]
    histogram: bool,
    /// Where the random numbers start
    #[arg(long, value_name = "N", default_value_t = 301)]
    seed: u64,
    /// Prints one JSON object a workload
    #[arg(long)]
    json: bool,
}

fn workload(name: &str) -> Result<Workload, String> {
    Workload::named(name).ok_or_else(|| {
        let names: Vec<_> = WORKLOADS.iter().map(|(name, _)| *name).collect();
        format!("the workloads are {}", names.join(", "))
    })
}

fn ratio(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or_else(|| "from 0 to 1".to_owned())
}

fn compression(text: &str) -> Result<Compression, String> {
    match text {
        "lz4" => Ok(Compression::Lz4),
        "none" => Ok(Compression::None),
        _ => Err("lz4 or none".to_owned()),
    }
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<(), Failure> {
    let mut load = Load {
        num: args.num,
        reads: args.reads.unwrap_or(args.num),
        key_bytes: usize::from(args.key_size),
        value_bytes: args.value_size as usize,
        threads: u64::from(args.threads),
        compression_ratio: args.compression_ratio,
        seed: args.seed,
        duration_s: args.duration,
        timed: args.histogram || args.duration.is_some(),
    };
    // The parts are what was asked for; the whole is what they and the rest come to.
    let options = Options {
        memory: (args.cache + 4 * args.memtable + (96 << 20)).max(8 << 20),
        memtable: Some(args.memtable),
        cache: Some(args.cache),
        fsync: args.fsync,
        compression: args.compression,
        filter_bits: args.filter_bits,
        ..Options::default()
    };
    let failed = Failure::Failed;
    let mut subject: Option<Siltstone> = None;
    for &workload in &args.names {
        let store = match subject.take() {
            Some(store) if !workload.is_fresh() => store,
            open => {
                if let Some(store) = open {
                    store.close().map_err(failed)?;
                }
                Siltstone::open(&args.dir, &options, workload.is_fresh()).map_err(failed)?
            }
        };
        load.seed = load.seed.wrapping_add(1);
        let written = written_bytes();
        let outcome = workload::run(&store, workload, &load)
            .map_err(|what| Failure::Failed(format!("{}: {what}", workload.name())))?;
        let written = written_bytes().zip(written).map(|(after, before)| after - before);
        if args.json {
            writeln!(out, "{}", as_json(&outcome, &args.dir, written))?;
        } else {
            writeln!(out, "{}", line(&outcome))?;
        }
        out.flush()?;
        subject = Some(store);
    }
    subject.map_or(Ok(()), Siltstone::close).map_err(failed)
}

/// `name : X micros/op Y ops/sec`, as db_bench prints it: X is a thread's time for an operation, Y what all of them
/// do in a second.
pub fn line(outcome: &Outcome) -> String {
    let operations = outcome.operations;
    let mut parts = vec![
        format!(
            "{:<16} : {:11.3} micros/op {:.0} ops/sec",
            outcome.workload.name(),
            micros(outcome),
            per_second(outcome)
        ),
        format!("{:.3} seconds {operations} operations", outcome.elapsed_ns as f64 / 1e9),
    ];
    if outcome.bytes > 0 {
        parts.push(format!("{:.1} MB/s", outcome.bytes as f64 / outcome.elapsed_ns.max(1) as f64 * 1e3));
    }
    if let Some(found) = outcome.found {
        parts.push(format!("{found} of {operations} found"));
    }
    if outcome.beside > 0 {
        parts.push(format!("{} writes beside", outcome.beside));
    }
    if let Some(latencies) = outcome.latencies.as_ref().filter(|latencies| latencies.count() > 0) {
        let micros = |ns: u64| ns as f64 / 1e3;
        parts.push(format!(
            "p50 {:.1} p99 {:.1} p99.9 {:.1} max {:.1} micros",
            micros(latencies.quantile_ns(0.5)),
            micros(latencies.quantile_ns(0.99)),
            micros(latencies.quantile_ns(0.999)),
            micros(latencies.max_ns()),
        ));
    }
    parts.join("; ")
}

/// Operations of all threads in a second.
pub fn per_second(outcome: &Outcome) -> f64 {
    outcome.operations as f64 / outcome.elapsed_ns.max(1) as f64 * 1e9
}

fn micros(outcome: &Outcome) -> f64 {
    outcome.busy_ns as f64 / outcome.operations.max(1) as f64 / 1e3
}

fn as_json(outcome: &Outcome, dir: &Path, written: Option<u64>) -> serde_json::Value {
    let mut value = json!({
        "name": outcome.workload.name(),
        "micros_per_op": micros(outcome),
        "ops_per_sec": per_second(outcome),
        "operations": outcome.operations,
        "seconds": outcome.elapsed_ns as f64 / 1e9,
        "found": outcome.found,
        "writes_beside": outcome.beside,
        "bytes": outcome.bytes,
        "disk_bytes": disk_bytes(dir),
        "written_bytes": written,
    });
    if let (Some(latencies), Some(object)) = (&outcome.latencies, value.as_object_mut()) {
        object.insert(
            "latency_ns".to_owned(),
            json!({
                "p50": latencies.quantile_ns(0.5),
                "p99": latencies.quantile_ns(0.99),
                "p99.9": latencies.quantile_ns(0.999),
                "max": latencies.max_ns(),
            }),
        );
    }
    value
}

/// Bytes that this process has sent towards the disk so far, by the system's count.
pub fn written_bytes() -> Option<u64> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.trim().parse().ok()
}

/// Bytes that the files under a directory take on the disk.
pub fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = dir.read_dir() else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => disk_bytes(&entry.path()),
        Ok(data) => data.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}
