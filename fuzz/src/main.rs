//! Runs a target on mutated inputs for some time, without coverage, on the stable toolchain. See the library.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Inputs kept beside the seeds, to mutate further.
const CORPUS_MAX: usize = 4000;
const INPUT_BYTES_MAX: usize = 8 << 10;

struct Asked {
    target: String,
    seconds: u64,
    seed: u64,
    input: Option<PathBuf>,
}

fn arguments() -> Result<Asked, String> {
    let mut arguments = std::env::args().skip(1);
    let names: Vec<&str> = siltstone_fuzz::targets().map(|target| target.0).collect();
    let usage =
        format!("usage: TARGET [--seconds N] [--seed N] [--input FILE]; targets: {}", names.join(" "));
    let target = arguments.next().ok_or(usage.clone())?;
    if !names.contains(&target.as_str()) {
        return Err(usage);
    }
    let mut asked = Asked { target, seconds: 60, seed: 1, input: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(usage.clone())?;
        let number = value.parse::<u64>().map_err(|e| format!("{name} {value}: {e}"));
        match name.as_str() {
            "--seconds" => asked.seconds = number?,
            "--seed" => asked.seed = number?,
            "--input" => asked.input = Some(value.into()),
            _ => return Err(usage),
        }
    }
    Ok(asked)
}

fn main() -> ExitCode {
    let asked = match arguments() {
        Ok(asked) => asked,
        Err(said) => {
            eprintln!("{said}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(path) = &asked.input {
        let input = std::fs::read(path).expect("the input can be read");
        siltstone_fuzz::run(&asked.target, &input);
        println!("{}: {} bytes, nothing broken", asked.target, input.len());
        return ExitCode::SUCCESS;
    }
    fuzz(&asked)
}

fn fuzz(asked: &Asked) -> ExitCode {
    let target = siltstone_fuzz::targets().find(|target| target.0 == asked.target).expect("it was looked up");
    let seeds = target.2();
    let mut corpus = seeds.clone();
    let mut random = Random(asked.seed);
    let start = Instant::now();
    let mut runs = 0_u64;
    while start.elapsed() < Duration::from_secs(asked.seconds) {
        for _ in 0..16 {
            // Half begin with a seed again: what is mutated for long makes less and less sense.
            let mut input = match seeds.get(runs as usize) {
                Some(seed) => seed.clone(),
                None if random.below(2) == 0 => seeds[random.below(seeds.len())].clone(),
                None => corpus[random.below(corpus.len())].clone(),
            };
            if runs as usize >= seeds.len() {
                for _ in 0..=random.below(4) {
                    random.mutate(&mut input, &corpus);
                }
                input.truncate(INPUT_BYTES_MAX);
            }
            if catch_unwind(AssertUnwindSafe(|| siltstone_fuzz::run(&asked.target, &input))).is_err() {
                return keep(asked, runs, &input);
            }
            // Without coverage nobody knows which are worth more: some, at random, go on.
            if random.below(16) == 0 {
                if corpus.len() < CORPUS_MAX {
                    corpus.push(input);
                } else {
                    let at = seeds.len() + random.below(CORPUS_MAX - seeds.len());
                    corpus[at] = input;
                }
            }
            runs += 1;
        }
    }
    println!(
        "{}: {runs} inputs in {} s from seed {}, nothing broken",
        asked.target, asked.seconds, asked.seed
    );
    ExitCode::SUCCESS
}

/// Keeps an input that broke something.
fn keep(asked: &Asked, run: u64, input: &[u8]) -> ExitCode {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    let path = dir.join(format!("{}-{}-{run}", asked.target, asked.seed));
    let kept = std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(&path, input));
    match kept {
        Ok(()) => eprintln!("{}: broken by input {run}, kept as {}", asked.target, path.display()),
        Err(error) => eprintln!("{}: broken by input {run} {input:?} ({error})", asked.target),
    }
    ExitCode::FAILURE
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn mutate(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        const TELLING: &[u8] = &[0, 1, 2, 7, 8, 0x0A, 0x0D, 0x24, 0x2A, 0x7F, 0x80, 0xFE, 0xFF];
        if input.is_empty() {
            input.push(self.next() as u8);
            return;
        }
        let at = self.below(input.len());
        match self.below(9) {
            0 | 1 => input[at] ^= 1 << self.below(8),
            2 => input[at] = self.next() as u8,
            3 => input[at] = TELLING[self.below(TELLING.len())],
            4 => input[at] = input[at].wrapping_add(self.below(7) as u8).wrapping_sub(3),
            5 => {
                let len = self.below(16).min(input.len() - at);
                input.drain(at..at + len);
            }
            6 => {
                let bytes: Vec<u8> = (0..self.below(24)).map(|_| self.next() as u8).collect();
                input.splice(at..at, bytes);
            }
            7 => {
                let len = self.below(64).min(input.len() - at);
                let piece = input[at..at + len].to_vec();
                let to = self.below(input.len());
                input.splice(to..to, piece);
            }
            _ => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len());
                let len = self.below(200).min(other.len() - from);
                let piece = other[from..from + len].to_vec();
                let end = (at + len).min(input.len());
                input.splice(at..end, piece);
            }
        }
    }
}
