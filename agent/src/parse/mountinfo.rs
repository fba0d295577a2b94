//! Lines of `/proc/PID/mountinfo` (proc(5)).

use super::{Parsed, text};

/// A machine with many containers has some thousand.
const MOUNTS: usize = 16_384;

/// The mount points, in the order in which they were mounted.
pub fn parse_mount_points(bytes: &[u8]) -> Parsed<Vec<String>> {
    let mut parsed = Parsed::<Vec<String>>::default();
    for line in text(bytes).lines().take(MOUNTS) {
        match line.split(' ').nth(4).filter(|point| point.starts_with('/')) {
            Some(point) => parsed.value.push(unescaped(point)),
            None => parsed.pass_over(line),
        }
    }
    parsed
}

/// Space, tab, new line and backslash stand as `\\040` and the like.
fn unescaped(point: &str) -> String {
    let mut pieces = point.split('\\');
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let escaped =
            piece.split_at_checked(3).and_then(|(octal, rest)| Some((u8::from_str_radix(octal, 8).ok()?, rest)));
        match escaped {
            Some((byte, rest)) => {
                whole.push(char::from(byte));
                whole.push_str(rest);
            }
            None => {
                whole.push('\\');
                whole.push_str(piece);
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_with_their_spaces() {
        let text = "36 35 98:0 / / rw,noatime shared:1 - ext4 /dev/root rw\n\
                    40 36 0:31 / /mnt/a\\040b\\134 rw - tmpfs tmpfs rw,size=4k\nrubbish\n";
        let parsed = parse_mount_points(text.as_bytes());
        assert_eq!(parsed.value, ["/", "/mnt/a b\\"]);
        assert_eq!(parsed.not_understood.len(), 1);
    }
}
