//! Values as people write them. Every function says what is wrong and what would be right.

use std::net::IpAddr;
use std::path::PathBuf;

/// Bytes: a number alone, or with a unit: `KiB`, `MiB`, `GiB`, `TiB`. `K` and `KB` mean the same, as everybody
/// means them, and case does not matter.
pub fn size(value: &str, min: u64) -> Result<u64, String> {
    let bad = || format!("`{value}` is not a size; write bytes, or a number with KiB, MiB or GiB");
    let written = value.trim();
    let digits = written.len() - written.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = written.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(bad()),
    };
    let bytes = if let Ok(whole) = number.parse::<u64>() {
        whole.checked_mul(1 << shift).ok_or_else(bad)?
    } else {
        let fraction: f64 = number.parse().map_err(|_| bad())?;
        let bytes = fraction * (1_u64 << shift) as f64;
        if !(0.0..1e18).contains(&bytes) {
            return Err(bad());
        }
        bytes as u64
    };
    if bytes < min {
        return Err(format!("`{value}` is too small; the least is {}", show_size(min)));
    }
    Ok(bytes)
}

/// A size in the largest unit that shows it whole.
pub fn show_size(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >> shift > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// A whole number between two bounds, both included.
pub fn number<T: TryFrom<i64>>(value: &str, min: i64, max: i64) -> Result<T, String> {
    value
        .trim()
        .parse::<i64>()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| {
            if max == i64::MAX {
                format!("`{value}` is not a whole number of at least {min}")
            } else {
                format!("`{value}` is not a whole number from {min} to {max}")
            }
        })
}

/// A TCP port.
pub fn port(value: &str) -> Result<u16, String> {
    value.parse().map_err(|_| format!("`{value}` is not a port from 0 to 65535"))
}

/// The port of the table API: `None` for none, 0 where the system chooses.
pub fn table_port(value: &str) -> Result<Option<u16>, String> {
    match value {
        "0" => Ok(None),
        "auto" => Ok(Some(0)),
        value => match port(value) {
            Ok(port) => Ok(Some(port)),
            Err(_) => Err(format!("`{value}` is neither a port from 0 to 65535 nor auto")),
        },
    }
}

/// The word for it.
pub fn show_table_port(port: Option<u16>) -> String {
    match port {
        None => "0".to_owned(),
        Some(0) => "auto".to_owned(),
        Some(port) => port.to_string(),
    }
}

/// Yes or no.
pub fn yes_no(value: &str) -> Result<bool, String> {
    match value {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err(format!("`{value}` is neither yes nor no")),
    }
}

/// One of a few words.
pub fn choice<T: Copy>(words: &[(&str, T)], value: &str) -> Result<T, String> {
    let lower = value.to_ascii_lowercase();
    words.iter().find(|(word, _)| *word == lower).map(|&(_, meaning)| meaning).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("`{value}` is none of {}", words.join(", "))
    })
}

/// The word for a choice.
pub fn show_choice<T: PartialEq>(words: &[(&str, T)], value: T) -> String {
    words
        .iter()
        .find(|(_, meaning)| *meaning == value)
        .map_or_else(String::new, |(word, _)| (*word).to_owned())
}

/// IP addresses, separated by commas or spaces; `localhost` and `*` are understood.
pub fn addresses(value: &str) -> Result<Vec<IpAddr>, String> {
    let words = value.split([',', ' ']).filter(|word| !word.is_empty());
    let all: Vec<IpAddr> = words
        .map(|word| match word {
            "localhost" => Ok(IpAddr::from([127, 0, 0, 1])),
            "*" => Ok(IpAddr::from([0, 0, 0, 0])),
            word => word.parse().map_err(|_| format!("`{word}` is not an IP address")),
        })
        .collect::<Result<_, _>>()?;
    if all.is_empty() { Err("at least one address is needed".to_owned()) } else { Ok(all) }
}

/// A path.
pub fn path(value: &str) -> Result<PathBuf, String> {
    if value.is_empty() { Err("a path is needed".to_owned()) } else { Ok(value.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_meant() {
        assert_eq!(size("1024", 0), Ok(1024));
        assert_eq!(size("256MiB", 0), Ok(256 << 20));
        assert_eq!(size("256mb", 0), Ok(256 << 20));
        assert_eq!(size("1.5 GiB", 0), Ok(3 << 29));
        for bad in ["", "MiB", "1.2.3k", "-1", "1e3", "12 parsecs", "99999999999999999999", "20000000000T"] {
            assert!(size(bad, 0).is_err(), "{bad}");
        }
        assert_eq!(size("1MiB", 16 << 20).unwrap_err(), "`1MiB` is too small; the least is 16MiB");
    }

    #[test]
    fn a_shown_size_reads_back() {
        for bytes in [0, 1, 1023, 1024, 1 << 20, (1 << 20) + 1, 3 << 29, 1 << 40] {
            assert_eq!(size(&show_size(bytes), 0), Ok(bytes));
        }
        assert_eq!(show_size(3 << 29), "1536MiB");
    }

    #[test]
    fn addresses_in_every_notation() {
        assert_eq!(addresses("127.0.0.1, ::1").unwrap().len(), 2);
        assert_eq!(addresses("localhost").unwrap(), [IpAddr::from([127, 0, 0, 1])]);
        assert!(addresses("").is_err());
        assert!(addresses("example.org").is_err());
    }
}
