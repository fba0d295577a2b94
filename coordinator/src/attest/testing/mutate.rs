//! Changes to bytes, at random but the same in every run.

/// Up to `most` changes: bits, bytes, pieces doubled, moved, cut out or put in.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut Random, most: usize) {
    const BYTES: [u8; 16] =
        [0x00, 0x01, 0x04, 0x05, 0x06, 0x24, 0x30, 0x31, 0x7f, 0x80, 0x81, 0x82, 0xa0, 0xa1, 0xff, b'"'];
    for _ in 0..=random.below(most) {
        if bytes.is_empty() {
            bytes.push(BYTES[random.below(BYTES.len())]);
        }
        let at = random.below(bytes.len());
        let to = (at + 1 + random.below(24)).min(bytes.len());
        match random.below(8) {
            0..3 => bytes[at] ^= 1 << random.below(8),
            3 => bytes[at] = BYTES[random.below(BYTES.len())],
            4 => bytes.insert(at, BYTES[random.below(BYTES.len())]),
            5 => drop(bytes.drain(at..to)),
            6 => {
                let piece = bytes[at..to].to_vec();
                let place = random.below(bytes.len());
                bytes.splice(place..place, piece);
            }
            _ => bytes.truncate(bytes.len() - random.below(bytes.len().min(64))),
        }
    }
}

/// Xorshift: the same messages in every run.
pub struct Random(u64);

impl Random {
    pub fn of(thread: u64) -> Random {
        Random(0x9e37_79b9_7f4a_7c15 ^ (thread + 1))
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}
