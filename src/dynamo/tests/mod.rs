//! Tables, asked as a client asks them, in a world held by hand.

mod backups;
mod departed;
mod every_write;
mod model;
mod races;
mod serializable;
mod transcripts;
mod world;
