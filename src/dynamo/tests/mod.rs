//! Tables, asked as a client asks them, in a world held by hand.

mod backups;
mod departed;
mod model;
mod transcripts;
mod world;
