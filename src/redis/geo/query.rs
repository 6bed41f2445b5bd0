//! What a search asks for.

use super::hash::Shape;
use super::point::of_member;
use super::{Position, position, unit};
use crate::redis::args::Walk;
use crate::redis::error::{Error, Result};
use crate::redis::keyspace::Collection;
use crate::redis::number;
use crate::store::Reads;

/// In which order results are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    None,
    Nearest,
    Farthest,
}

/// Which commands' options are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// GEOSEARCH: centre and shape are options.
    Search,
    /// GEOSEARCHSTORE: and STOREDIST is one.
    SearchStore,
    /// GEORADIUS: centre and radius came before; STORE is an option.
    Radius,
    /// GEORADIUS_RO: as that, without STORE.
    RadiusOnly,
}

/// A search.
pub(super) struct Query<'a> {
    /// `None` if it is a member of a key that is not there.
    pub(super) centre: Option<Position>,
    pub(super) shape: Shape,
    /// The metres of the unit that distances are told in.
    pub(super) metres: f64,
    pub(super) sort: Sort,
    /// 0: all.
    pub(super) count: u64,
    pub(super) any: bool,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_position: bool,
    /// Where to put what was found.
    pub(super) target: Option<&'a [u8]>,
    /// As scores the distances.
    pub(super) store_distances: bool,
}

impl<'a> Query<'a> {
    /// Reads the options; centre and shape are those given before them, if any.
    pub(super) fn parse(
        reads: &dyn Reads,
        set: Option<&Collection>,
        options: &mut Walk<'a>,
        form: Form,
        given: Option<(Option<Position>, Shape, f64)>,
        name: &str,
    ) -> Result<Self> {
        let searches = matches!(form, Form::Search | Form::SearchStore);
        let (mut centre, mut shape) = (given.map(|given| given.0), given.map(|given| (given.1, given.2)));
        let mut query = Query {
            centre: None,
            shape: Shape::Circle { radius: 0.0 },
            metres: 1.0,
            sort: Sort::None,
            count: 0,
            any: false,
            with_distance: false,
            with_hash: false,
            with_position: false,
            target: None,
            store_distances: false,
        };
        while !options.is_done() {
            if options.accept("withdist") {
                query.with_distance = true;
            } else if options.accept("withhash") {
                query.with_hash = true;
            } else if options.accept("withcoord") {
                query.with_position = true;
            } else if options.accept("any") {
                query.any = true;
            } else if options.accept("asc") {
                query.sort = Sort::Nearest;
            } else if options.accept("desc") {
                query.sort = Sort::Farthest;
            } else if options.accept("count") {
                let count = number::parse_i64(options.word()?).ok_or(Error::NotAnInteger)?;
                if count <= 0 {
                    return Err(Error::text("ERR COUNT must be > 0"));
                }
                query.count = count as u64;
            } else if form == Form::Radius && options.accept("store") {
                query.target = Some(options.word()?);
                query.store_distances = false;
            } else if form == Form::Radius && options.accept("storedist") {
                query.target = Some(options.word()?);
                query.store_distances = true;
            } else if form == Form::SearchStore && options.accept("storedist") {
                query.store_distances = true;
            } else if searches && centre.is_none() && options.accept("frommember") {
                let member = options.word()?;
                centre = Some(set.map(|set| centre_of_member(reads, set, member)).transpose()?);
            } else if searches && centre.is_none() && options.accept("fromlonlat") {
                centre = Some(Some(position(options.word()?, options.word()?)?));
            } else if searches && shape.is_none() && options.accept("byradius") {
                shape = Some(circle(options.word()?, options.word()?)?);
            } else if searches && shape.is_none() && options.accept("bybox") {
                shape = Some(rectangle(options.word()?, options.word()?, options.word()?)?);
            } else {
                return Err(Error::Syntax);
            }
        }
        if query.target.is_some() && (query.with_distance || query.with_hash || query.with_position) {
            return Err(incompatible("STORE option in GEORADIUS"));
        }
        if form == Form::SearchStore && (query.with_distance || query.with_hash || query.with_position) {
            return Err(incompatible("GEOSEARCHSTORE"));
        }
        let exactly = |what| Error::text(format!("ERR exactly one of {what} can be specified for {name}"));
        query.centre = centre.ok_or_else(|| exactly("FROMMEMBER or FROMLONLAT"))?;
        (query.shape, query.metres) = shape.ok_or_else(|| exactly("BYRADIUS and BYBOX"))?;
        if query.any && query.count == 0 {
            return Err(Error::text("ERR the ANY argument requires COUNT argument"));
        }
        if query.count > 0 && query.sort == Sort::None && !query.any {
            query.sort = Sort::Nearest;
        }
        Ok(query)
    }
}

fn incompatible(what: &str) -> Error {
    Error::text(format!("ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"))
}

/// The position of a member that must be there.
pub(super) fn centre_of_member(reads: &dyn Reads, set: &Collection, member: &[u8]) -> Result<Position> {
    of_member(reads, set, member)?.ok_or(Error::text("ERR could not decode requested zset member"))
}

/// A circle in metres, and the metres of its unit.
pub(super) fn circle(radius: &[u8], unit_word: &[u8]) -> Result<(Shape, f64)> {
    let radius = number::parse_f64(radius).ok_or(Error::text("ERR need numeric radius"))?;
    if radius < 0.0 {
        return Err(Error::text("ERR radius cannot be negative"));
    }
    let metres = unit(unit_word)?;
    Ok((Shape::Circle { radius: radius * metres }, metres))
}

fn rectangle(width: &[u8], height: &[u8], unit_word: &[u8]) -> Result<(Shape, f64)> {
    let width = number::parse_f64(width).ok_or(Error::text("ERR need numeric width"))?;
    let height = number::parse_f64(height).ok_or(Error::text("ERR need numeric height"))?;
    if width < 0.0 || height < 0.0 {
        return Err(Error::text("ERR height or width cannot be negative"));
    }
    let metres = unit(unit_word)?;
    Ok((Shape::Rectangle { width: width * metres, height: height * metres }, metres))
}
