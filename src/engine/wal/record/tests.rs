use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

const SALT: u64 = 0x1234_5678_9ABC_DEF0;
static PLACE: LazyLock<Place> = LazyLock::new(|| Place::new(SALT, 9));

fn record(offset: u64, claim: Claim, payload: &[u8]) -> Vec<u8> {
    let crc = crc32fast::hash(payload);
    let mut out = PLACE.head(offset, Kind::Batch, claim, payload.len(), crc).to_vec();
    out.extend_from_slice(payload);
    out
}

/// A head of file 9 with every checksum right, whatever its forms say.
fn forged(offset: u64, tag: u8, rest: &[u8]) -> Vec<u8> {
    let mut bound = [SALT, 9, offset].map(u64::to_le_bytes).concat();
    bound.push(tag);
    bound.extend_from_slice(rest);
    bound.resize(bound.len().max(48), 0);
    [&crc32fast::hash(&bound).to_le_bytes()[..], &[tag], rest].concat()
}

/// A tag with the right parity.
fn tag(kind: u8, len_form: u8, claim_form: u8) -> u8 {
    let tag = kind | len_form << 3 | claim_form << 5;
    tag | (!tag.count_ones() as u8 & 1) << 7
}

#[test]
fn a_record_survives_the_round_trip() {
    for claim in [Claim::default(), Claim { file: 9, offset: 5 }, Claim { file: 3, offset: OFFSET_MAX }] {
        let mut bytes = vec![0; 5];
        bytes.extend(record(5, claim, b"payload"));
        let (head, payload) = PLACE.read(&bytes, 5).unwrap();
        assert_eq!((head.kind, head.claim, payload), (Kind::Batch, claim, &b"payload"[..]));
        assert_eq!(5 + head.record_len(), bytes.len());
    }
    // Too far behind to say: nothing is claimed.
    let far = Place::new(SALT, 1 << 30);
    for (behind, is_said) in [(BEHIND_END - 1, true), (BEHIND_END, false)] {
        let claim = Claim { file: far.file - behind, offset: 1 };
        let head = far.head(0, Kind::Mark, claim, 0, 0);
        let said = if is_said { claim } else { Claim::default() };
        assert_eq!(far.read_head(&head, 0).unwrap().claim, said);
    }
}

#[test]
fn every_form_is_as_long_as_it_must_be() {
    let head = |offset, claim, len| PLACE.head(offset, Kind::Batch, claim, len, u32::from(len > 0)).len();
    let none = Claim::default();
    let back = |back| Claim { file: 9, offset: OFFSET_MAX - back };
    for (len, bytes) in
        [(0, 5), (1, 10), (0xFF, 10), (0x100, 11), (0xFFFF, 11), (0x1_0000, 13), (PAYLOAD_MAX, 13)]
    {
        assert_eq!(head(0, none, len), bytes, "{len} bytes of payload");
    }
    for (claim, bytes) in [
        (back(0), 12),
        (back(0xFFFF), 12),
        (back(0x1_0000), 14),
        (back(0xFFFF_FFFF), 14),
        (back(0x1_0000_0000), 18),
        (Claim { file: 8, offset: 0 }, 18),
        (Claim { file: 1, offset: OFFSET_MAX }, 18),
    ] {
        assert_eq!(head(OFFSET_MAX, claim, 1), bytes, "{claim:?}");
    }
    assert_eq!(head(OFFSET_MAX, Claim { file: 1, offset: 0 }, PAYLOAD_MAX), HEAD_MAX);
    assert_eq!(PLACE.head(99, Kind::Mark, Claim { file: 9, offset: 99 }, 0, 0).len(), 7);
}

#[test]
fn every_flipped_bit_is_noticed() {
    for (len, claim) in [
        (12, Claim { file: 9, offset: 0 }),
        (12, Claim::default()),
        (0, Claim { file: 9, offset: 0 }),
        (300, Claim { file: 8, offset: 77 }),
        (70_000, Claim { file: 9, offset: 0 }),
    ] {
        let mut bad = record(0, claim, &vec![b'x'; len]);
        let head = PLACE.read(&bad, 0).unwrap().0;
        // Flips behind the head are all alike.
        for bit in 0..(head.bytes + len.min(300)) * 8 {
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(PLACE.read(&bad, 0).is_none(), "bit {bit} before {len} bytes, {claim:?}");
            bad[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn a_record_out_of_place_does_not_validate() {
    for claim in [Claim::default(), Claim { file: 9, offset: 0 }, Claim { file: 2, offset: 1 }] {
        for payload in [&b"x"[..], b""] {
            let bytes = record(0, claim, payload);
            assert!(Place::new(SALT, 8).read(&bytes, 0).is_none());
            assert!(Place::new(1, 9).read(&bytes, 0).is_none());
            let mut moved = vec![0; 3];
            moved.extend_from_slice(&bytes);
            assert!(PLACE.read(&moved, 3).is_none());
            for len in 0..bytes.len() {
                assert!(PLACE.read(&bytes[..len], 0).is_none());
                assert!(PLACE.read(&vec![0; len], 0).is_none());
            }
        }
    }
}

#[test]
fn only_the_first_form_that_can_say_it_is_read() {
    const BATCH: u8 = Kind::Batch as u8;
    let at = 1 << 20;
    let reads = |tag, rest: &[u8]| {
        let mut bytes = vec![0; at];
        bytes.extend(forged(at as u64, tag, rest));
        bytes.resize(bytes.len() + 70_000, 0);
        PLACE.read_head(&bytes, at).is_some()
    };
    let number = |n: u64, width| n.to_le_bytes()[..width].to_vec();
    let crc = [1, 2, 3, 4];
    let lens =
        [(1, 0, false), (1, 1, true), (2, 255, false), (2, 256, true), (3, 65_535, false), (3, 65_536, true)];
    for (form, len, is_right) in lens {
        let rest = [number(len, width(form)), crc.to_vec()].concat();
        assert_eq!(reads(tag(BATCH, form, 0), &rest), is_right, "form {form} of length {len}");
    }
    assert!(reads(tag(BATCH, 0, 0), &[]));
    for (form, claim, is_right) in [
        (1, 0, true),
        (2, 65_535, false),
        (2, 65_536, true),
        (2, at as u64, true),
        // Before the file's beginning.
        (2, at as u64 + 1, false),
        // This file, though nearer forms can say it; and behind its end.
        (3, 0, false),
        (3, at as u64 + 1, false),
        // The file before; the first file; one that does not exist; one before that.
        (3, 1 << 40, true),
        (3, 8 << 40 | OFFSET_MAX, true),
        (3, 9 << 40, false),
        (3, 10 << 40, false),
    ] {
        let rest = number(claim, 2 * width(form));
        assert_eq!(reads(tag(BATCH, 0, form), &rest), is_right, "form {form} of claim {claim:#x}");
    }
    for kind in 0..8 {
        assert_eq!(reads(tag(kind, 0, 0), &[]), (1..=4).contains(&kind), "kind {kind}");
        assert!(!reads(tag(kind, 0, 0) ^ 0x80, &[]), "kind {kind}, parity");
    }
}

#[test]
fn claims_behind_damage_are_found() {
    for offset in [900, 1000, 0] {
        for payload in [&b"later"[..], b""] {
            let claim = Claim { file: 9, offset };
            let mut bytes = vec![0xA5; 1000];
            bytes.extend(record(1000, claim, payload));
            assert_eq!(PLACE.furthest_claim(&bytes, 0), claim);
            bytes.extend([7; 10]);
            assert_eq!(PLACE.furthest_claim(&bytes, 0), claim);
            assert_eq!(PLACE.furthest_claim(&bytes, 1000), claim);
            assert_eq!(PLACE.furthest_claim(&bytes, 1001), Claim::default());
        }
    }
}

fn claims() -> impl Strategy<Value = (u64, Claim)> {
    (0..=40_u32, 0..=40_u32, 0..=9_u64, any::<u64>()).prop_map(|(offset_bits, back_bits, file, noise)| {
        let offset = (noise >> 24) & ((1 << offset_bits) - 1);
        let back = noise.rotate_left(20) & ((1 << back_bits) - 1);
        let claimed = if file == 9 { offset.saturating_sub(back) } else { back };
        (offset, if file == 0 { Claim::default() } else { Claim { file, offset: claimed } })
    })
}

proptest! {
    /// What is written reads the same, at any offset, with any claim.
    #[test]
    fn heads_survive_the_round_trip(
        (offset, claim) in claims(), len_bits in 0..=32_u32, noise in any::<u32>(), kind in 1..=4_u8,
    ) {
        let kind = Kind::from_u8(kind).unwrap();
        let len = (u64::from(noise) & ((1 << len_bits) - 1)) as usize;
        let body_crc = if len > 0 { noise } else { 0 };
        let bytes = PLACE.head(offset, kind, claim, len, body_crc).to_vec();
        prop_assert!((5..=HEAD_MAX).contains(&bytes.len()));
        let rest = &mut &bytes[5..];
        let tag = bytes[4];
        prop_assert_eq!(tag.count_ones() % 2, 1);
        prop_assert_eq!(take_word(rest, width(tag >> 3 & 3)), Some(len as u64));
        let form = tag >> 5 & 3;
        let word = take_word(rest, 2 * width(form)).unwrap();
        prop_assert_eq!(PLACE.claim_said(offset, form, word), Some(claim));
        prop_assert_eq!(rest.len(), if len > 0 { 4 } else { 0 });
    }

    /// Of all heads with the right checksum those validate that would be written so, and no others.
    #[test]
    fn there_is_one_way_only_to_write_a_head(
        tag in any::<u8>(), rest in prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 17),
    ) {
        let (len_form, claim_form) = (tag >> 3 & 3, tag >> 5 & 3);
        let fields = &mut &rest[..];
        let len = take_word(fields, width(len_form)).unwrap() as usize;
        let word = take_word(fields, 2 * width(claim_form)).unwrap();
        let body_crc = if len > 0 { take_word(fields, 4).unwrap() as u32 } else { 0 };
        let mut bytes = forged(0, tag, &rest[..rest.len() - fields.len()]);
        let end = bytes.len();
        bytes.resize(end + (1 << 20), 0);
        let written = Kind::from_u8(tag & 7).zip(PLACE.claim_said(0, claim_form, word)).is_some_and(|(kind, claim)| {
            len <= 1 << 20 && *PLACE.head(0, kind, claim, len, body_crc) == bytes[..end]
        });
        prop_assert_eq!(PLACE.read_head(&bytes, 0).is_some(), written);
    }
}
