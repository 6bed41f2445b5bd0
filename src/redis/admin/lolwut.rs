//! LOLWUT: layers, each a little wider than the newer one above it: what the engine builds all day.

use super::super::command::Call;
use super::super::error::Result;
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use crate::random::Random;

const WIDTH: usize = 64;
const LAYERS: usize = 7;
const GRAINS: [char; 8] = [' ', '.', ':', '-', '=', '+', '#', '@'];

pub(super) fn lolwut(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut random = Random::seeded(call.instance.random_u64());
    let mut art = String::new();
    for layer in 0..LAYERS {
        let width = WIDTH * (layer + 2) / (LAYERS + 1);
        art.extend(std::iter::repeat_n(' ', (WIDTH - width) / 2));
        art.extend((0..width).map(|_| GRAINS[(layer + random.below(2) as usize).min(GRAINS.len() - 1)]));
        art.push('\n');
    }
    art.push_str(concat!("\nSiltstone ver. ", env!("CARGO_PKG_VERSION"), "\n"));
    reply.verbatim(&art);
    Ok(())
}
