//! Positions on earth: sorted sets whose scores are geohashes.

mod hash;
mod point;
mod query;
mod search;

use self::hash::{LATITUDE_MAX, LONGITUDE_MAX, Position};
use super::command::{Access, Command, Flags, Keys, read, write};
use super::error::{Error, Result};
use super::number;

const LOG_N_EACH: &str = "O(1) for each member requested.";
const SEARCHED: &str = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape provided as the filter and M is the number of items inside the shape";
const RADIUS: &str = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center and radius and M is the number of items inside the index.";

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
        write("geoadd", -5, Keys::FIRST, point::geoadd)
            .doc("Adds one or more members to a geospatial index. The key is created if it doesn't exist.", "3.2.0", "O(log(N)) for each item added, where N is the number of elements in the sorted set."),
        read("geodist", -4, Keys::FIRST, point::geodist)
            .doc("Returns the distance between two members of a geospatial index.", "3.2.0", "O(1)"),
        read("geohash", -2, Keys::FIRST, point::geohash)
            .doc("Returns members from a geospatial index as geohash strings.", "3.2.0", LOG_N_EACH),
        read("geopos", -2, Keys::FIRST, point::geopos)
            .doc("Returns the longitude and latitude of members from a geospatial index.", "3.2.0", LOG_N_EACH),
        write("georadius", -6, Keys::FirstAndStore, search::georadius).access(Access::QUERY).flag(Flags::LEAN)
            .doc("Queries a geospatial index for members within a distance from a coordinate, optionally stores the result.", "3.2.0", RADIUS),
        read("georadius_ro", -6, Keys::FIRST, search::georadius_ro).ranked()
            .doc("Returns members from a geospatial index that are within a distance from a coordinate.", "3.2.10", RADIUS),
        write("georadiusbymember", -5, Keys::FirstAndStore, search::georadiusbymember).access(Access::QUERY).flag(Flags::LEAN)
            .doc("Queries a geospatial index for members within a distance from a member, optionally stores the result.", "3.2.0", RADIUS),
        read("georadiusbymember_ro", -5, Keys::FIRST, search::georadiusbymember_ro).ranked()
            .doc("Returns members from a geospatial index that are within a distance from a member.", "3.2.10", RADIUS),
        read("geosearch", -7, Keys::FIRST, search::geosearch).ranked()
            .doc("Queries a geospatial index for members inside an area of a box or a circle.", "6.2.0", SEARCHED),
        write("geosearchstore", -8, Keys::PAIR, search::geosearchstore).access(Access::STORE)
            .doc("Queries a geospatial index for members inside an area of a box or a circle, optionally stores the result.", "6.2.0", SEARCHED),
];

/// The metres of a unit.
fn unit(word: &[u8]) -> Result<f64> {
    let units = [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)];
    let found = units.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
    found
        .map(|&(_, metres)| metres)
        .ok_or(Error::text("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// A longitude and a latitude.
fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position> {
    let degrees = |word| number::parse_f64(word).ok_or(Error::NotAFloat);
    let at = Position { longitude: degrees(longitude)?, latitude: degrees(latitude)? };
    if at.longitude.abs() > LONGITUDE_MAX || at.latitude.abs() > LATITUDE_MAX {
        return Err(Error::text(format!(
            "ERR invalid longitude,latitude pair {:.6},{:.6}",
            at.longitude, at.latitude
        )));
    }
    Ok(at)
}
