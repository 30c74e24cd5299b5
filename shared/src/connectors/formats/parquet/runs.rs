//! Levels and dictionary indices as pages hold them: runs of one number, and groups of eight numbers packed bit by bit.
//!
//! Source: parquet-format, Encodings.md, "Run Length Encoding / Bit-Packing Hybrid".

/// Numbers that are packed together.
const GROUP: usize = 8;
/// Bits of the widest number.
const WIDEST: u32 = 32;

/// Unpacks so many numbers of so many bits; none if there are not as many.
pub(super) fn unpack(mut bytes: &[u8], width: u32, count: usize) -> Option<Vec<u32>> {
    if width > WIDEST {
        return None;
    }
    let mut numbers = Vec::with_capacity(count);
    while numbers.len() < count {
        let (head, after) = varint(bytes)?;
        bytes = after;
        let left = count - numbers.len();
        let length = usize::try_from(head >> 1).ok()?;
        if head & 1 == 0 {
            let (number, after) = bytes.split_at_checked(width.div_ceil(8) as usize)?;
            let number = number.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
            numbers.resize(numbers.len() + length.min(left), number);
            bytes = after;
        } else {
            // What follows the last number of a page need not be there.
            let packed = length.checked_mul(width as usize)?.min(bytes.len());
            let (packed, after) = bytes.split_at(packed);
            let there = if width == 0 { usize::MAX } else { packed.len() * 8 / width as usize };
            let take = length.checked_mul(GROUP)?.min(left);
            if there < take {
                return None;
            }
            unpack_bits(packed, width, take, &mut numbers);
            bytes = after;
        }
        if length == 0 {
            return None;
        }
    }
    Some(numbers)
}

#[expect(clippy::cast_possible_truncation, reason = "no number has more bits than its mask")]
fn unpack_bits(packed: &[u8], width: u32, count: usize, numbers: &mut Vec<u32>) {
    let mask = (1_u64 << width) - 1;
    let (mut buffer, mut bits) = (0_u64, 0);
    let mut bytes = packed.iter();
    for _ in 0..count {
        while bits < width {
            buffer |= u64::from(bytes.next().copied().unwrap_or(0)) << bits;
            bits += 8;
        }
        numbers.push((buffer & mask) as u32);
        buffer >>= width;
        bits -= width;
    }
}

/// Packs numbers of so many bits.
pub(super) fn pack(numbers: &[u32], width: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(numbers.len() * width as usize / 8 + 16);
    // Where those begin that are to be packed bit by bit, and how far is known what they are.
    let (mut start, mut at) = (0, 0);
    while at < numbers.len() {
        let end = numbers[at..].iter().position(|number| *number != numbers[at]).map_or(numbers.len(), |end| at + end);
        // Groups are full but for the last one of all, so a run lends what is missing.
        let lent = (at - start).next_multiple_of(GROUP) - (at - start);
        if end - at >= GROUP + lent {
            pack_bits(&numbers[start..at + lent], width, &mut bytes);
            let length = end - at - lent;
            write_varint(&mut bytes, (length as u64) << 1);
            bytes.extend_from_slice(&numbers[at].to_le_bytes()[..width.div_ceil(8) as usize]);
            start = end;
        }
        at = end;
    }
    pack_bits(&numbers[start..], width, &mut bytes);
    bytes
}

fn pack_bits(numbers: &[u32], width: u32, bytes: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    let groups = numbers.len().div_ceil(GROUP);
    write_varint(bytes, (groups as u64) << 1 | 1);
    let end = bytes.len() + groups * width as usize;
    let (mut buffer, mut bits) = (0_u64, 0);
    for number in numbers {
        buffer |= u64::from(*number) << bits;
        bits += width;
        while bits >= 8 {
            bytes.push((buffer & 0xff) as u8);
            buffer >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        bytes.push((buffer & 0xff) as u8);
    }
    bytes.resize(end, 0);
}

/// How many bits a number up to this one takes.
pub(super) fn width(most: u32) -> u32 {
    u32::BITS - most.leading_zeros()
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

fn write_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(width in 0..=32_u32, runs in prop::collection::vec((any::<u32>(), 1..40_usize), 0..30)) {
            let mask = u32::try_from((1_u64 << width) - 1).unwrap();
            let numbers: Vec<u32> = runs.iter().flat_map(|(number, length)| vec![number & mask; *length]).collect();
            let packed = pack(&numbers, width);
            prop_assert_eq!(unpack(&packed, width, numbers.len()), Some(numbers));
        }

        #[test]
        fn what_was_never_packed_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), width in 0..=40_u32) {
            if let Some(numbers) = unpack(&bytes, width, 1000) {
                prop_assert_eq!(numbers.len(), 1000);
            }
        }
    }

    #[test]
    fn runs_are_stored_as_runs() {
        // The example of Encodings.md: the numbers 0 to 7 with three bits.
        assert_eq!(pack(&[0, 1, 2, 3, 4, 5, 6, 7], 3), [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
        assert_eq!(pack(&[5; 1000], 3), [0xd0, 0x0f, 5]);
        assert_eq!(pack(&[1; 3], 0), [3]);
    }
}
