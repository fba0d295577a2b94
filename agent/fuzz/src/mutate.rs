//! New inputs from old ones. Each is a function of the seed and its number alone, so that any can be made again.

use crate::{SPACES, WORDS};

/// Most inputs stay below this.
const SMALL: usize = 8 * 1024;
/// Each so manieth input is as large as the largest file that the agent reads.
const LARGE_EVERY: u64 = 4096;
const LARGE: usize = 1024 * 1024;

pub struct Mutator {
    corpus: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    seed: u64,
}

impl Mutator {
    pub fn new(corpus: Vec<Vec<u8>>, seed: u64) -> Self {
        let mut words: Vec<Vec<u8>> =
            WORDS.split_whitespace().chain(SPACES).map(|word| word.as_bytes().to_vec()).collect();
        for item in &corpus {
            words.extend(item.split(|byte| !byte.is_ascii_alphanumeric()).map(<[u8]>::to_vec));
            words.extend(item.split(|byte| byte.is_ascii_whitespace()).map(<[u8]>::to_vec));
            words.extend(item.split(|byte| *byte == b'\n').map(|line| [line, b"\n"].concat()));
        }
        words.retain(|word| !word.is_empty() && word.len() <= 200);
        words.sort_unstable();
        words.dedup();
        Self { corpus, words, seed }
    }

    /// The input of this number.
    pub fn input(&self, number: u64) -> Vec<u8> {
        // Mixed, so that neighbours have nothing in common (splitmix64, Steele and others 2014).
        let mut random = Random(self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut bytes = self.corpus[random.below(self.corpus.len())].clone();
        // The corpus itself comes first, as it is.
        if let Some(item) = usize::try_from(number).ok().and_then(|number| self.corpus.get(number)) {
            return item.clone();
        }
        // Rarely from nothing.
        if random.below(32) == 0 {
            bytes.clear();
        }
        for _ in 0..=random.below(8) {
            self.change(&mut bytes, &mut random);
        }
        if number % LARGE_EVERY == LARGE_EVERY - 1 && !bytes.is_empty() {
            bytes = bytes.repeat(LARGE / bytes.len() + 1);
            bytes.truncate(LARGE);
        } else {
            bytes.truncate(SMALL + random.below(SMALL));
        }
        bytes
    }

    fn change(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        let at = random.below(bytes.len() + 1);
        let longest = 1 << random.below(10);
        let end = (at + 1 + random.below(longest)).min(bytes.len());
        match random.below(12) {
            0 => flip(bytes.get_mut(at), 1 << random.below(8)),
            1 => flip(bytes.get_mut(at), random.next() as u8),
            2 => drop(bytes.drain(at.min(end)..end)),
            3 => bytes.truncate(at),
            4 | 5 => {
                let word = &self.words[random.below(self.words.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            6 => {
                let word = &self.words[random.below(self.words.len())];
                let end = (at + word.len()).min(bytes.len());
                bytes.splice(at..end, word.iter().copied());
            }
            7 => {
                let part = bytes[at.min(end)..end].to_vec();
                let part = part.repeat(1 + random.below(64));
                bytes.splice(at..at, part);
            }
            8 => {
                let part = bytes[at.min(end)..end].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            9 => {
                let other = &self.corpus[random.below(self.corpus.len())];
                let from = random.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            10 => bytes
                .splice(at..at, (0..random.below(8)).map(|_| random.next() as u8).collect::<Vec<_>>())
                .for_each(drop),
            _ => {
                // Another number where one stands.
                if let Some(digit) = bytes.get_mut(at).filter(|byte| byte.is_ascii_digit()) {
                    *digit = b'0' + random.below(10) as u8;
                }
            }
        }
        bytes.truncate(4 * SMALL);
    }
}

fn flip(byte: Option<&mut u8>, bits: u8) {
    if let Some(byte) = byte {
        *byte ^= bits;
    }
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
