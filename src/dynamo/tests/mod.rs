//! Tables, asked as a client asks them, in a world held by hand.

mod backups;
mod departed;
mod every_write;
mod full_disk;
mod model;
mod races;
mod serializable;
mod sizes;
mod transcripts;
mod world;
