//! Every command, transaction and script happens whole or not at all, whenever the power goes or the process is killed,
//! and whatever was acknowledged is there: shown over all of redis, store and engine, in a world held by hand.

mod deadlines;
mod draw;
mod every_write;
mod history;
mod mail;
mod model;
mod random;
mod reply;
mod runs;
mod scripts;
mod short;
mod state;
mod streams;
mod waiting;
mod world;
