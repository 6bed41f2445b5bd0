//! Siltstone beside RocksDB and fjall: the same workloads, the same settings, one after another.
//!
//! Each run is a process of its own, so that memory is clean, and the engines take turns, so that what the machine
//! does meanwhile hits all alike. A run is a sequence of workloads on one store, each as soon as the one before
//! has ended. At its end the store is closed with its background work done, and what was written and what is on
//! the disk is counted.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- --rounds 3
//! ```

mod engines;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use serde_json::{Value, json};
use siltstone::cli::bench::workload::{self, Load, Subject, Workload};
use siltstone::cli::bench::{disk_bytes, per_second, written_bytes};

use engines::{Fjall, Rocks, Silt};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Siltstone beside RocksDB and fjall, in thousands of operations a second
#[derive(Clone, Debug, Parser)]
struct Args {
    /// Where the stores are made, and removed afterwards
    #[arg(long, default_value = "./peers-data")]
    dir: PathBuf,
    /// Keys are numbers below this, and each write workload writes this many
    #[arg(long, default_value_t = 3_000_000)]
    num: u64,
    /// Operations of each read workload
    #[arg(long, default_value_t = 1_000_000)]
    reads: u64,
    /// Bytes of a value
    #[arg(long, default_value_t = 100)]
    value_size: usize,
    /// Rounds; the table shows medians
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Engines, in the order of a round
    #[arg(long, value_delimiter = ',', default_value = "siltstone,rocksdb,fjall")]
    engines: Vec<String>,
    /// Mebibytes of block cache
    #[arg(long, default_value_t = 512)]
    cache_mib: u64,
    /// Mebibytes of a memtable
    #[arg(long, default_value_t = 64)]
    memtable_mib: u64,
    /// A sequence of workloads on one store; may be given several times
    #[arg(long)]
    sequence: Vec<String>,
    /// What a child process does: an engine and a sequence
    #[arg(long, hide = true, num_args = 2)]
    child: Option<Vec<String>>,
}

const SEQUENCES: [&str; 2] = [
    "fillseq,readrandom,readseq",
    "fillrandom,overwrite,readrandom,seekrandom,readwhilewriting,deleterandom",
];

/// What is compared beside speed, by the same names in figures and table.
const WRITTEN: &str = "GB written";
const SPACE: &str = "GB on disk";

/// Sequence and workload → engine → one figure a round.
type Figures = BTreeMap<(usize, usize, String), BTreeMap<String, Vec<f64>>>;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.child {
        Some(child) => run_child(&args, &child[0], &child[1]),
        None => run_all(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("peers: {what}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(args: &Args) -> Result<(), String> {
    let sequences = if args.sequence.is_empty() {
        SEQUENCES.iter().map(ToString::to_string).collect()
    } else {
        args.sequence.clone()
    };
    let mut figures = Figures::new();
    for round in 0..args.rounds {
        for (place, sequence) in sequences.iter().enumerate() {
            for turn in 0..args.engines.len() {
                let engine = &args.engines[(turn + round) % args.engines.len()];
                eprintln!("round {} of {}: {engine}: {sequence}", round + 1, args.rounds);
                for (at, (name, figure)) in run_one(args, engine, sequence)?.into_iter().enumerate() {
                    let row = figures.entry((place, at, name)).or_default();
                    row.entry(engine.clone()).or_default().push(figure);
                }
            }
        }
    }
    print_table(args, &sequences, &figures);
    Ok(())
}

/// Starts a process for one engine and one sequence, and collects its figures.
fn run_one(args: &Args, engine: &str, sequence: &str) -> Result<Vec<(String, f64)>, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(own)
        .args(["--child", engine, sequence])
        .arg("--dir")
        .arg(&args.dir)
        .args(["--num", &args.num.to_string(), "--reads", &args.reads.to_string()])
        .args(["--value-size", &args.value_size.to_string()])
        .args(["--cache-mib", &args.cache_mib.to_string(), "--memtable-mib", &args.memtable_mib.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{engine}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    eprint!("{text}");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(lines.filter_map(|line| Some((line["name"].as_str()?.to_owned(), line["figure"].as_f64()?))).collect())
}

fn print_table(args: &Args, sequences: &[String], figures: &Figures) {
    println!(
        "\n{} keys of 16+{} bytes, half compressible, LZ4, 10 bloom bits, {} MiB cache, {} MiB memtable,\n\
         log on, no fsync, one thread, {} reads; median of {} alternating rounds; k/s\n",
        args.num, args.value_size, args.cache_mib, args.memtable_mib, args.reads, args.rounds
    );
    let first = args.engines.first().map_or("", String::as_str);
    let ratios: String = args.engines.iter().skip(1).map(|engine| format!(" {first} / {engine} |")).collect();
    println!("| workload | {} |{ratios}", args.engines.join(" | "));
    println!("|---{}|", "|---:".repeat(args.engines.len() * 2 - 1));
    let mut shown = usize::MAX;
    for ((place, _, name), row) in figures {
        if *place != shown {
            shown = *place;
            println!(
                "| *{}* |{}",
                sequences[*place].replace(',', ", "),
                " |".repeat(args.engines.len() * 2 - 1)
            );
        }
        let figure = |engine: &String| row.get(engine).map_or(f64::NAN, |figures| median(figures));
        let cells: String =
            args.engines.iter().map(|engine| format!(" {} |", short(figure(engine)))).collect();
        let own = args.engines.first().map_or(f64::NAN, figure);
        let ratios: String =
            args.engines.iter().skip(1).map(|engine| format!(" {:.2} |", own / figure(engine))).collect();
        println!("| {name} |{cells}{ratios}");
    }
    println!("\nFor {WRITTEN} and {SPACE}, less is better.");
}

fn short(figure: f64) -> String {
    if figure < 10.0 { format!("{figure:.2}") } else { format!("{figure:.0}") }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn run_child(args: &Args, engine: &str, sequence: &str) -> Result<(), String> {
    let dir = args.dir.join(engine);
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.to_string()),
        _ => {}
    }
    std::fs::create_dir_all(&args.dir).map_err(|error| error.to_string())?;
    match engine {
        "siltstone" => measure(args, sequence, &dir, Silt::open(&dir, args)?, Silt::close),
        "rocksdb" => measure(args, sequence, &dir, Rocks::open(&dir, args)?, Rocks::close),
        "fjall" => measure(args, sequence, &dir, Fjall::open(&dir, args)?, Fjall::close),
        other => Err(format!("there is no engine {other}")),
    }
}

fn measure<S: Subject>(
    args: &Args,
    sequence: &str,
    dir: &Path,
    subject: S,
    close: impl FnOnce(S) -> Result<(), String>,
) -> Result<(), String> {
    let mut load = Load {
        num: args.num,
        reads: args.reads,
        key_bytes: 16,
        value_bytes: args.value_size,
        threads: 1,
        compression_ratio: 0.5,
        seed: 301,
        duration_s: None,
        timed: false,
    };
    let show = |name: &str, figure: f64| println!("{}", json!({ "name": name, "figure": figure }));
    for name in sequence.split(',') {
        let workload = Workload::named(name).ok_or_else(|| format!("there is no workload {name}"))?;
        load.seed += 1;
        let outcome = workload::run(&subject, workload, &load)?;
        show(name, per_second(&outcome) / 1e3);
    }
    close(subject)?;
    show(WRITTEN, written_bytes().unwrap_or(0) as f64 / 1e9);
    show(SPACE, disk_bytes(dir) as f64 / 1e9);
    std::fs::remove_dir_all(dir).map_err(|error| error.to_string())
}
