//! The least that a Redis server over RocksDB can be: GET and SET, and nothing else.
//!
//! It is built as Apache Kvrocks is, a few threads that each serve their connections and wait for the disk themselves, and
//! with its defaults: no sync, 256 MB of cache for blocks, indexes and filters. It keeps no types, no
//! expiry, no statistics: whoever is ahead of it is ahead of any server that is built so.
//!
//! ```text
//! rocksdb-server DIR PORT
//! ```

use std::io;
use std::path::Path;
use std::sync::Arc;

use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads that serve connections, as many as Kvrocks has.
const WORKERS: usize = 8;
const CACHE_BYTES: usize = 256 << 20;
const MEMTABLE_BYTES: usize = 64 << 20;
const FILTER_BITS: f64 = 10.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(port)) = (args.next(), args.next()) else {
        return Err("usage: rocksdb-server DIR PORT".into());
    };
    let db = Arc::new(open(Path::new(&dir))?);
    let workers: Vec<_> = (0..WORKERS).map(|_| start_worker(db.clone())).collect();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port.parse()?))?;
    eprintln!("listening on {port}");
    for (stream, worker) in listener.incoming().zip(workers.iter().cycle()) {
        worker.send(stream?)?;
    }
    Ok(())
}

fn open(dir: &Path) -> Result<DB, rocksdb::Error> {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    blocks.set_bloom_filter(FILTER_BITS, false);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_max_background_jobs(2);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_compression_type(DBCompressionType::Lz4);
    DB::open(&options, dir)
}

fn start_worker(db: Arc<DB>) -> mpsc::UnboundedSender<std::net::TcpStream> {
    let (streams, mut arriving) = mpsc::unbounded_channel::<std::net::TcpStream>();
    std::thread::spawn(move || -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, async move {
            while let Some(stream) = arriving.recv().await {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let (stream, db) = (TcpStream::from_std(stream)?, db.clone());
                tokio::task::spawn_local(async move {
                    // A client that goes away is no news.
                    let _ = serve(stream, &db).await;
                });
            }
            Ok(())
        })
    });
    streams
}

async fn serve(mut stream: TcpStream, db: &DB) -> io::Result<()> {
    let (mut input, mut output) = (Vec::with_capacity(16 << 10), Vec::new());
    while stream.read_buf(&mut input).await? > 0 {
        let mut done = 0;
        while let Some((words, length)) = parse(&input[done..]) {
            answer(db, &words, &mut output)?;
            done += length;
        }
        input.drain(..done);
        stream.write_all(&output).await?;
        output.clear();
    }
    Ok(())
}

fn answer(db: &DB, words: &[&[u8]], output: &mut Vec<u8>) -> io::Result<()> {
    match words {
        [name, key] if name.eq_ignore_ascii_case(b"get") => match db.get_pinned(key).map_err(io::Error::other)? {
            Some(value) => {
                output.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
                output.extend_from_slice(&value);
                output.extend_from_slice(b"\r\n");
            }
            None => output.extend_from_slice(b"$-1\r\n"),
        },
        [name, key, value] if name.eq_ignore_ascii_case(b"set") => {
            db.put(key, value).map_err(io::Error::other)?;
            output.extend_from_slice(b"+OK\r\n");
        }
        _ => output.extend_from_slice(b"-ERR only GET and SET are served\r\n"),
    }
    Ok(())
}

/// The words of the request at the front of the input and its length, once it is there whole.
fn parse(input: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let (count, mut at) = number(input, 0, b'*')?;
    let mut words = Vec::with_capacity(3);
    for _ in 0..count {
        let (length, begin) = number(input, at, b'$')?;
        words.push(input.get(begin..begin + length)?);
        at = begin + length + 2;
    }
    (at <= input.len()).then_some((words, at))
}

/// The number after a mark, and where the next line begins.
fn number(input: &[u8], at: usize, mark: u8) -> Option<(usize, usize)> {
    let line = input.get(at..)?.strip_prefix(&[mark])?;
    let end = line.iter().position(|&byte| byte == b'\n')?;
    let digits = std::str::from_utf8(line.get(..end.checked_sub(1)?)?).ok()?;
    Some((digits.parse().ok()?, at + 1 + end + 1))
}
