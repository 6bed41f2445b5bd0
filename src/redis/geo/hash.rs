//! Geohashes of 52 bits, as scores of sorted sets: neighbours in the plane are mostly neighbours in order.
//!
//! A position is two numbers of 26 bits, how far along the two ranges it is, with their bits interleaved: latitude in
//! the even ones, longitude in the odd ones. A *box* is what the first `2 × step` bits name. The ranges, the radius of the earth
//! and the formulas are Redis's (geohash.c, geohash_helper.c), so that scores and distances agree to the last digit.

use std::ops::Range;

/// Steps of a whole score.
const STEPS: u32 = 26;
/// In degrees; Web Mercator ends there.
pub(super) const LATITUDE_MAX: f64 = 85.051_128_78;
pub(super) const LONGITUDE_MAX: f64 = 180.0;
/// In metres.
const EARTH_RADIUS: f64 = 6_372_797.560_856;
/// Half of the way around, in metres.
const MERCATOR_MAX: f64 = 20_037_726.37;
const EVEN: u64 = 0x5555_5555_5555_5555;
const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;

/// A place on earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Position {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

impl Position {
    /// The score of a position.
    pub(super) fn score(self) -> f64 {
        BoxHash::of(self, STEPS, LATITUDE_MAX).bits as f64
    }

    /// The middle of what a score stands for.
    pub(super) fn of_score(score: f64) -> Self {
        let area = BoxHash { bits: score as u64, steps: STEPS }.area();
        let middle = |range: &Range<f64>, max: f64| f64::midpoint(range.start, range.end).clamp(-max, max);
        Self {
            longitude: middle(&area.longitude, LONGITUDE_MAX),
            latitude: middle(&area.latitude, LATITUDE_MAX),
        }
    }

    /// The geohash of eleven letters, of which the last says nothing.
    pub(super) fn letters(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = BoxHash::of(self, STEPS, 90.0).bits;
        std::array::from_fn(|i| {
            let shift = 52_usize.checked_sub((i + 1) * 5);
            ALPHABET[shift.map_or(0, |shift| (bits >> shift & 31) as usize)]
        })
    }

    /// The distance in metres, on a sphere.
    pub(super) fn distance(self, other: Self) -> f64 {
        let v = ((other.longitude.to_radians() - self.longitude.to_radians()) / 2.0).sin();
        if v == 0.0 {
            return self.latitude_distance(other);
        }
        let (one, two) = (self.latitude.to_radians(), other.latitude.to_radians());
        let u = ((two - one) / 2.0).sin();
        let a = u * u + one.cos() * two.cos() * v * v;
        2.0 * EARTH_RADIUS * a.sqrt().asin()
    }

    fn latitude_distance(self, other: Self) -> f64 {
        EARTH_RADIUS * (other.latitude.to_radians() - self.latitude.to_radians()).abs()
    }
}

/// What is searched, in metres around a centre.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Circle { radius: f64 },
    Rectangle { width: f64, height: f64 },
}

impl Shape {
    /// The distance from the centre, if a position is within.
    pub(super) fn distance(self, centre: Position, at: Position) -> Option<f64> {
        match self {
            Self::Circle { radius } => Some(centre.distance(at)).filter(|&distance| distance <= radius),
            Self::Rectangle { width, height } => {
                let level = Position { longitude: centre.longitude, ..at };
                let is_within =
                    at.latitude_distance(centre) <= height / 2.0 && at.distance(level) <= width / 2.0;
                is_within.then(|| centre.distance(at))
            }
        }
    }

    /// The ranges of scores that cover it, in the order in which Redis looks at them: the middle one, then its neighbours.
    pub(super) fn ranges(self, centre: Position) -> Vec<Range<f64>> {
        let bounds = self.bounds(centre);
        let mut steps = self.steps(centre.latitude);
        let around = |steps| BoxHash::of(centre, steps, LATITUDE_MAX).with_neighbours();
        let mut boxes = around(steps);
        let [_, north, south, east, west, ..] = boxes.map(BoxHash::area);
        let is_narrow = north.latitude.end < bounds.latitude.end
            || south.latitude.start > bounds.latitude.start
            || east.longitude.end < bounds.longitude.end
            || west.longitude.start > bounds.longitude.start;
        if steps > 1 && is_narrow {
            steps -= 1;
            boxes = around(steps);
        }
        let mut wanted = [true; 9];
        if steps >= 2 {
            let middle = boxes[0].area();
            let mut leave = |outside: bool, neighbours: [usize; 3]| {
                neighbours.into_iter().filter(|_| outside).for_each(|at| wanted[at] = false);
            };
            leave(middle.latitude.start < bounds.latitude.start, [2, 7, 8]);
            leave(middle.latitude.end > bounds.latitude.end, [1, 5, 6]);
            leave(middle.longitude.start < bounds.longitude.start, [4, 6, 8]);
            leave(middle.longitude.end > bounds.longitude.end, [3, 5, 7]);
        }
        let mut ranges: Vec<Range<f64>> = Vec::new();
        for (hash, _) in boxes.iter().zip(wanted).filter(|&(_, wanted)| wanted) {
            // Of very large ones a neighbour may be the same again.
            let range = hash.scores();
            if ranges.last() != Some(&range) {
                ranges.push(range);
            }
        }
        ranges
    }

    /// How far it reaches.
    fn bounds(self, centre: Position) -> Area {
        let (width, height) = match self {
            Self::Circle { radius } => (radius, radius),
            Self::Rectangle { width, height } => (width / 2.0, height / 2.0),
        };
        let Position { longitude, latitude } = centre;
        let up = (height / EARTH_RADIUS).to_degrees();
        let nearer_pole = if latitude < 0.0 { latitude - up } else { latitude + up };
        let aside = (width / EARTH_RADIUS / nearer_pole.to_radians().cos()).to_degrees();
        Area { longitude: longitude - aside..longitude + aside, latitude: latitude - up..latitude + up }
    }

    /// The smallest boxes of which nine surely cover it.
    fn steps(self, latitude: f64) -> u32 {
        let mut reach = match self {
            Self::Circle { radius } => radius,
            Self::Rectangle { width, height } => ((width / 2.0).powi(2) + (height / 2.0).powi(2)).sqrt(),
        };
        if reach == 0.0 {
            return STEPS;
        }
        let mut steps = 1;
        while reach < MERCATOR_MAX {
            reach *= 2.0;
            steps += 1;
        }
        // Boxes are narrower towards the poles.
        steps -= 2 + i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
        steps.clamp(1, STEPS as i32) as u32
    }
}

/// A rectangle, in degrees.
#[derive(Clone, Debug)]
struct Area {
    longitude: Range<f64>,
    latitude: Range<f64>,
}

/// The first bits of a geohash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BoxHash {
    bits: u64,
    steps: u32,
}

impl BoxHash {
    fn of(at: Position, steps: u32, latitude_max: f64) -> Self {
        let part = |degrees: f64, max: f64| ((degrees + max) / (2.0 * max) * (1_u64 << steps) as f64) as u32;
        let bits = spread(part(at.latitude, latitude_max)) | spread(part(at.longitude, LONGITUDE_MAX)) << 1;
        Self { bits, steps }
    }

    fn area(self) -> Area {
        let range = |part: u32, max: f64| {
            let at = |part: f64| -max + part / (1_u64 << self.steps) as f64 * (2.0 * max);
            at(f64::from(part))..at(f64::from(part) + 1.0)
        };
        Area {
            longitude: range(gather(self.bits >> 1), LONGITUDE_MAX),
            latitude: range(gather(self.bits), LATITUDE_MAX),
        }
    }

    fn scores(self) -> Range<f64> {
        let score = |bits: u64| (bits << (2 * (STEPS - self.steps))) as f64;
        score(self.bits)..score(self.bits + 1)
    }

    /// Itself, then north, south, east, west, north-east, north-west, south-east, south-west of it.
    fn with_neighbours(self) -> [Self; 9] {
        [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)].map(|(east, north)| {
            let mask = u64::MAX >> (64 - 2 * self.steps);
            let longitude = moved(self.bits & ODD, EVEN & mask, east) & ODD & mask;
            let latitude = moved(self.bits & EVEN, ODD & mask, north) & EVEN & mask;
            Self { bits: longitude | latitude, ..self }
        })
    }
}

/// Adds to a number whose bits lie between those of `others`.
fn moved(bits: u64, others: u64, by: i32) -> u64 {
    match by {
        1 => bits.wrapping_add(others + 1),
        -1 => (bits | others).wrapping_sub(others + 1),
        _ => bits,
    }
}

/// Puts a zero before each bit.
fn spread(n: u32) -> u64 {
    let mut n = u64::from(n);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, EVEN),
    ] {
        n = (n | n << shift) & mask;
    }
    n
}

/// Every other bit.
fn gather(n: u64) -> u32 {
    let mut n = n & EVEN;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFF),
    ] {
        n = (n | n >> shift) & mask;
    }
    n as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_and_letters_are_those_of_redis() {
        let palermo = Position { longitude: 13.361_389, latitude: 38.115_556 };
        let catania = Position { longitude: 15.087_269, latitude: 37.502_669 };
        assert_eq!(palermo.score() as u64, 3_479_099_956_230_698);
        assert_eq!(catania.score() as u64, 3_479_447_370_796_909);
        let [palermo, catania] = [palermo, catania].map(|at| Position::of_score(at.score()));
        assert_eq!(&palermo.letters(), b"sqc8b49rny0");
        assert_eq!(&catania.letters(), b"sqdtr74hyu0");
        assert_eq!(format!("{:.4}", palermo.distance(catania)), "166274.1516");
    }

    #[test]
    fn a_box_and_its_neighbours_cover_what_is_searched() {
        let mut random = crate::random::Random::seeded(3);
        let mut degrees = |max: f64| (random.below(2_000_001) as f64 / 1e6 - 1.0) * max;
        for _ in 0..2000 {
            let centre = Position { longitude: degrees(170.0), latitude: degrees(75.0) };
            let radius = degrees(400_000.0).abs();
            let ranges = Shape::Circle { radius }.ranges(centre);
            let at = Position {
                longitude: centre.longitude + degrees(3.0),
                latitude: centre.latitude + degrees(3.0),
            };
            if centre.distance(at) <= radius {
                assert!(ranges.iter().any(|range| range.contains(&at.score())), "{centre:?} {radius} {at:?}");
            }
        }
    }
}
