//! Replies, written straight into the connection's output.
//!
//! A command says what it means (a map, a set, a double, null) and the protocol that the client negotiated decides
//! how that looks: RESP2 has only arrays, bulks and integers, RESP3 has a type for each.
//!
//! ```text
//!            RESP2                   RESP3
//! null       $-1 or *-1              _
//! boolean    :1                      #t
//! double     $3 1.5                  ,1.5
//! map        *2n                     %n
//! set, push  *n                      ~n, >n
//! verbatim   $n …                    =n+4 txt:…
//! ```

use std::sync::Arc;

use super::super::budget::{Budget, Charge};
use super::super::error::Error;

/// Which RESP a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Until a client says otherwise.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

/// What was made larger than this for output that was taken back is not kept, in bytes.
const KEPT_BYTES: usize = 1 << 20;

/// Output up to so many bytes is charged to nobody.
const FREE_BYTES: usize = 64 << 10;

/// Output, and how to write to it.
#[derive(Default)]
pub(crate) struct Reply {
    out: Vec<u8>,
    protocol: Protocol,
    /// Errors written so far, for statistics and for EXEC.
    errors: u64,
    /// How long the output may become, in bytes; 0: as long as it will.
    most: usize,
    /// What it takes of the memory for replies, where it shares that with others.
    charge: Option<Charge>,
    /// Whether it may take more of that than there is.
    overdraws: bool,
    overflowed: bool,
}

/// An aggregate whose length is not known yet; give it back with [`Reply::end`].
#[must_use]
pub(crate) struct Open {
    at: usize,
    marker: u8,
}

impl Reply {
    /// Which protocol replies are in.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Writes later replies in another protocol.
    pub(crate) fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// `+OK`.
    pub(crate) fn ok(&mut self) {
        self.put(b"+OK\r\n");
    }

    /// A simple string: a short word of ours, without line ends.
    pub(crate) fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error. Line ends in it, which may come from what a client sent, become spaces.
    pub(crate) fn error(&mut self, error: &Error) {
        self.error_text(&error.wire());
    }

    /// An error by its text, code first.
    pub(crate) fn error_text(&mut self, text: &str) {
        self.errors += 1;
        self.line_of(b'-', text.as_bytes());
    }

    /// A line of any bytes; line ends in it become spaces.
    fn line_of(&mut self, marker: u8, bytes: &[u8]) {
        self.out.push(marker);
        self.out.extend(bytes.iter().map(|&c| if c == b'\r' || c == b'\n' { b' ' } else { c }));
        self.out.extend_from_slice(b"\r\n");
    }

    /// A simple string of any bytes; line ends in it become spaces.
    pub(crate) fn simple_bytes(&mut self, bytes: &[u8]) {
        self.line_of(b'+', bytes);
    }

    /// An integer of any length, in digits; line ends in it become spaces.
    pub(crate) fn big_number(&mut self, digits: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => {
                self.number(b'$', digits.len() as i64);
                self.out.extend(digits.iter().map(|&c| if c == b'\r' || c == b'\n' { b' ' } else { c }));
                self.out.extend_from_slice(b"\r\n");
            }
            Protocol::Resp3 => self.line_of(b'(', digits),
        }
    }

    /// An integer.
    pub(crate) fn int(&mut self, n: i64) {
        self.number(b':', n);
    }

    /// A count.
    pub(crate) fn count(&mut self, n: usize) {
        self.int(i64::try_from(n).unwrap_or(i64::MAX));
    }

    /// Lets the output become no longer than so many bytes, and no longer than this budget has memory for: what is beyond is
    /// not written, and [`Reply::check`] tells.
    pub(crate) fn limit(&mut self, most: usize, budget: &Arc<Budget>) {
        self.most = most;
        self.charge = Some(Charge::of(budget));
    }

    /// Lets it take more of the memory for replies than there is, or no longer.
    pub(crate) fn set_overdraws(&mut self, overdraws: bool) {
        self.overdraws = overdraws;
    }

    /// Fails if something was not written since the last time.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        let is_over = self.is_over();
        self.overflowed = false;
        if is_over {
            return Err(Error::OverBudget);
        }
        Ok(())
    }

    /// Whether [`Reply::check`] would fail, so that it is no use to go on.
    pub(crate) fn is_over(&self) -> bool {
        self.overflowed || (self.most > 0 && self.out.len() > self.most)
    }

    /// A string of any bytes.
    pub(crate) fn bulk(&mut self, bytes: &[u8]) {
        if !self.has_room(bytes.len().saturating_add(24)) {
            return;
        }
        self.number(b'$', bytes.len() as i64);
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Whether so many bytes more may be written.
    fn has_room(&mut self, bytes: usize) -> bool {
        bytes <= self.out.capacity() - self.out.len() || self.make_room(bytes)
    }

    /// Room for so many bytes more, taken in leaps that do not go beyond what there may be.
    #[cold]
    fn make_room(&mut self, bytes: usize) -> bool {
        let needed = self.out.len().saturating_add(bytes);
        if self.most > 0 && needed > self.most {
            self.overflowed = true;
            return false;
        }
        let leap = needed.max(2 * self.out.capacity()).max(64);
        let leap = if self.most > 0 { leap.min(self.most) } else { leap };
        let room = match &mut self.charge {
            None => Some(leap),
            Some(charge) => {
                let mut fits = |size: &usize| charge.become_bytes(size.saturating_sub(FREE_BYTES));
                let room = [leap, needed].into_iter().find(|size| fits(size));
                room.or_else(|| {
                    self.overdraws.then(|| {
                        charge.overdraw(needed.saturating_sub(FREE_BYTES));
                        needed
                    })
                })
            }
        };
        if let Some(room) = room {
            self.out.reserve_exact(room - self.out.len());
        }
        self.overflowed |= room.is_none();
        room.is_some()
    }

    /// Makes room for what has been encoded elsewhere; false if there is not enough memory for that now.
    pub(crate) fn prepare(&mut self, bytes: usize) -> bool {
        let overflowed = self.overflowed;
        let is_prepared = self.has_room(bytes);
        self.overflowed = overflowed;
        is_prepared
    }

    /// Notes what the output takes by now; false if that is more than there is.
    pub(crate) fn settle(&mut self) -> bool {
        let bytes = self.out.capacity().saturating_sub(FREE_BYTES);
        self.charge.as_mut().is_none_or(|charge| charge.become_bytes(bytes))
    }

    /// A string, or null.
    pub(crate) fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// An integer as a string.
    pub(crate) fn bulk_int(&mut self, n: i64) {
        self.bulk(itoa::Buffer::new().format(n).as_bytes());
    }

    /// No value.
    pub(crate) fn null(&mut self) {
        self.put(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// No array, where an array would be the answer.
    pub(crate) fn null_array(&mut self) {
        self.put(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// Yes or no.
    pub(crate) fn boolean(&mut self, yes: bool) {
        self.put(match (self.protocol, yes) {
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
        });
    }

    /// A floating-point number, in the fewest digits that give it back.
    pub(crate) fn double(&mut self, n: f64) {
        self.double_text(&format_double(n));
    }

    /// A floating-point number in these digits.
    pub(crate) fn double_text(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits.as_bytes()),
            Protocol::Resp3 => self.line(b',', digits.as_bytes()),
        }
    }

    /// Text for people, which a client should show as it is.
    pub(crate) fn verbatim(&mut self, text: &str) {
        self.verbatim_as(b"txt", text.as_bytes());
    }

    /// Text of a format whose name has three bytes; others are cut, or filled with spaces.
    pub(crate) fn verbatim_as(&mut self, format: &[u8], text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                if !self.has_room(text.len().saturating_add(32)) {
                    return;
                }
                self.number(b'=', text.len() as i64 + 4);
                self.out.extend(format.iter().copied().chain([b' '; 3]).take(3));
                self.out.push(b':');
                self.out.extend_from_slice(text);
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// The head of an array of `n` replies.
    pub(crate) fn array(&mut self, n: usize) {
        self.number(b'*', n as i64);
    }

    /// The head of a map of `n` pairs: `2 n` replies.
    pub(crate) fn map(&mut self, n: usize) {
        match self.protocol {
            Protocol::Resp2 => self.number(b'*', 2 * n as i64),
            Protocol::Resp3 => self.number(b'%', n as i64),
        }
    }

    /// The head of a set of `n` replies.
    pub(crate) fn set(&mut self, n: usize) {
        self.aggregate(b'~', n);
    }

    /// The head of a push of `n` replies.
    pub(crate) fn push(&mut self, n: usize) {
        self.aggregate(b'>', n);
    }

    /// What has been encoded elsewhere, in the same protocol.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// The head of `n` pairs about the reply that follows: in RESP3 only.
    pub(crate) fn attribute(&mut self, n: usize) {
        self.number(b'|', n as i64);
    }

    /// An array whose length comes at its [`Reply::end`].
    pub(crate) fn open_array(&mut self) -> Open {
        Open { at: self.out.len(), marker: b'*' }
    }

    /// A set whose length comes at its [`Reply::end`].
    pub(crate) fn open_set(&mut self) -> Open {
        Open { at: self.out.len(), marker: b'~' }
    }

    /// A map whose number of pairs comes at its [`Reply::end`].
    pub(crate) fn open_map(&mut self) -> Open {
        Open { at: self.out.len(), marker: b'%' }
    }

    /// Takes back what was written since this was opened, which it still is.
    pub(crate) fn go_back(&mut self, open: &Open) {
        self.truncate(open.at);
    }

    /// Writes the head of what was opened. Moves what was written since; open and end innermost first.
    pub(crate) fn end(&mut self, open: Open, n: usize) {
        let from = self.out.len();
        match open.marker {
            b'%' => self.map(n),
            b'~' => self.set(n),
            _ => self.array(n),
        }
        let head = self.out.len() - from;
        self.out[open.at..].rotate_right(head);
    }

    /// Bytes written and not yet taken.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// Errors written so far.
    pub(crate) fn errors(&self) -> u64 {
        self.errors
    }

    /// Takes back what was written since the output was this long.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
        // What was not written is taken back with the rest.
        self.overflowed = false;
        if self.out.capacity() > KEPT_BYTES {
            self.out.shrink_to(KEPT_BYTES);
            self.settle();
        }
    }

    /// What was written and not yet taken.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// Takes the output, and with it the allocation.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let output = std::mem::take(&mut self.out);
        self.settle();
        output
    }

    /// Writes from here on into this buffer, which is empty.
    pub(crate) fn give_buffer(&mut self, buffer: Vec<u8>) {
        if self.out.is_empty() {
            self.out = buffer;
        }
    }

    /// Forgets what was sent.
    pub(crate) fn clear(&mut self) {
        self.out.clear();
    }

    /// Bytes that the output has room for, written or not.
    pub(crate) fn capacity(&self) -> usize {
        self.out.capacity()
    }

    fn aggregate(&mut self, resp3: u8, n: usize) {
        let marker = if self.protocol == Protocol::Resp3 { resp3 } else { b'*' };
        self.number(marker, n as i64);
    }

    fn line(&mut self, marker: u8, text: &[u8]) {
        if self.has_room(text.len() + 3) {
            self.out.push(marker);
            self.out.extend_from_slice(text);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.has_room(bytes.len()) {
            self.out.extend_from_slice(bytes);
        }
    }

    fn number(&mut self, marker: u8, n: i64) {
        // Most numbers on the wire are small lengths and counts.
        if let Ok(digit @ 0..=9) = u8::try_from(n) {
            self.put(&[marker, b'0' + digit, b'\r', b'\n']);
        } else {
            self.line(marker, itoa::Buffer::new().format(n).as_bytes());
        }
    }
}

/// A double as Redis prints it, in the fewest digits that give it back: `3`, `0.1`, `1e+20`, `inf`.
pub(crate) fn format_double(n: f64) -> String {
    /// Zeros that an integer may end in beyond its digits, and decimals of a number written without an exponent.
    const PLAIN: i32 = 7;
    if n.is_nan() {
        return "nan".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if n == 0.0 {
        return if n.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    // Integers that a double holds exactly.
    if n.fract() == 0.0 && n.abs() < 4_503_599_627_370_496.0 {
        return itoa::Buffer::new().format(n as i64).to_owned();
    }
    let scientific = format!("{:e}", n.abs());
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = digits.chars().filter(|&c| c != '.').collect();
    let (len, exponent) = (digits.len() as i32, exponent.parse::<i32>().unwrap_or(0));
    let sign = if n < 0.0 { "-" } else { "" };
    // The number is its digits, times ten to this.
    let shift = exponent + 1 - len;
    if shift >= 0 && exponent < len + PLAIN - i32::from(n < 0.0) {
        return format!("{sign}{digits}{}", "0".repeat(shift as usize));
    }
    if shift < 0 && (shift > -PLAIN || exponent.abs() < 4) {
        let point = len + shift;
        if point <= 0 {
            return format!("{sign}0.{}{digits}", "0".repeat(-point as usize));
        }
        let (whole, part) = digits.split_at(point as usize);
        return format!("{sign}{whole}.{part}");
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}e{exponent:+}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(write: impl Fn(&mut Reply)) -> (String, String) {
        let run = |protocol| {
            let mut reply = Reply::default();
            reply.set_protocol(protocol);
            write(&mut reply);
            String::from_utf8(reply.take()).unwrap()
        };
        (run(Protocol::Resp2), run(Protocol::Resp3))
    }

    #[test]
    fn each_meaning_has_a_shape_in_both_protocols() {
        let same = |write: fn(&mut Reply), wire: &str| assert_eq!(both(write), (wire.into(), wire.into()));
        same(Reply::ok, "+OK\r\n");
        same(|r| r.int(-12), ":-12\r\n");
        same(|r| r.int(7), ":7\r\n");
        same(|r| r.bulk(b"hello world"), "$11\r\nhello world\r\n");
        same(|r| r.array(2), "*2\r\n");
        same(|r| r.error_text("ERR a\r\nb"), "-ERR a  b\r\n");
        let differ = |write: fn(&mut Reply), two: &str, three: &str| {
            assert_eq!(both(write), (two.into(), three.into()));
        };
        differ(Reply::null, "$-1\r\n", "_\r\n");
        differ(Reply::null_array, "*-1\r\n", "_\r\n");
        differ(|r| r.boolean(true), ":1\r\n", "#t\r\n");
        differ(|r| r.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
        differ(|r| r.map(2), "*4\r\n", "%2\r\n");
        differ(|r| r.set(2), "*2\r\n", "~2\r\n");
        differ(|r| r.push(12), "*12\r\n", ">12\r\n");
        differ(|r| r.verbatim("hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
    }

    #[test]
    fn a_length_may_come_last() {
        let (two, three) = both(|r| {
            let outer = r.open_array();
            r.int(1);
            let pairs = r.open_map();
            r.bulk(b"a");
            r.bulk(b"b");
            r.end(pairs, 1);
            r.end(outer, 2);
            r.ok();
        });
        assert_eq!(two, "*2\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n+OK\r\n");
        assert_eq!(three, "*2\r\n:1\r\n%1\r\n$1\r\na\r\n$1\r\nb\r\n+OK\r\n");
    }

    #[test]
    fn doubles_look_like_redis() {
        for (n, text) in
            [(3.0, "3"), (0.1, "0.1"), (-0.5, "-0.5"), (1e20, "1e+20"), (1e-7, "1e-7"), (0.0, "0")]
        {
            assert_eq!(format_double(n), text);
        }
        assert_eq!(format_double(f64::NEG_INFINITY), "-inf");
    }
}
