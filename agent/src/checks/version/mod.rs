//! Versions of the `ec2-instance-connect` package, whose releases dpkg and rpm write differently: `1.1.12+dfsg1-0ubuntu3` is
//! release 12 of 1.1, and so is rpm's `1.1-12.amzn2`.

use std::cmp::Ordering;

/// The first release that asks IMDS with a token. Source: the package's own change log.
pub const FIRST_WITH_IMDSV2: &str = "1.1.12";
/// The first release that asks IMDS for the services' domain, and takes four. Source: the package's own change log.
pub const FIRST_WITH_DOMAINS: &str = "1.1.13";
/// The first release of AWS's own whose scripts understand OpenSSL 3. Source: the package's own change log.
pub const FIRST_FOR_OPENSSL_3: &str = "1.1.17";
/// The first release that is one binary instead of three scripts.
pub const FIRST_BINARY: &str = "2";

/// Whether the package of this version asks IMDS without a token; `None` where `version` does not begin with a number.
pub fn asks_without_token(version: &str) -> Option<bool> {
    release(version).map(|release| compare(&release, FIRST_WITH_IMDSV2) == Ordering::Less)
}

/// AWS's part of a version as `1.1.12`, or `None` where `version` does not begin with a number.
pub fn release(version: &str) -> Option<String> {
    let version = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
    let (upstream, revision) = version.split_once('-').unwrap_or((version, ""));
    let upstream = upstream.split_once('+').map_or(upstream, |(release, _repacked)| release);
    if !upstream.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // AWS's rpm writes the third number as the rpm release.
    let third: String = revision.chars().take_while(char::is_ascii_digit).collect();
    Some(if upstream.matches('.').count() == 1 && !third.is_empty() {
        format!("{upstream}.{third}")
    } else {
        upstream.to_owned()
    })
}

/// The order of two upstream versions as dpkg and rpm have it: runs of digits by value, `~` before the end, letters before the rest.
///
/// Source: Debian Policy §5.6.12; rpm agrees on every version that this package has had.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left, right);
    loop {
        let (left_word, left_rest) = split(left, |c| !c.is_ascii_digit());
        let (right_word, right_rest) = split(right, |c| !c.is_ascii_digit());
        let (left_number, left_rest) = split(left_rest, |c| c.is_ascii_digit());
        let (right_number, right_rest) = split(right_rest, |c| c.is_ascii_digit());
        let order = compare_words(left_word, right_word).then_with(|| compare_numbers(left_number, right_number));
        if order != Ordering::Equal || (left_rest.is_empty() && right_rest.is_empty()) {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn compare_words(left: &str, right: &str) -> Ordering {
    let rank = |c: Option<char>| match c {
        Some('~') => (0, 0),
        None => (1, 0),
        Some(c) if c.is_ascii_alphabetic() => (2, u32::from(c)),
        Some(c) => (3, u32::from(c)),
    };
    let (mut left, mut right) = (left.chars(), right.chars());
    loop {
        let (a, b) = (left.next(), right.next());
        let order = rank(a).cmp(&rank(b));
        if order != Ordering::Equal || a.is_none() {
            return order;
        }
    }
}

/// By value, however long: a number from an instance need not fit any integer.
fn compare_numbers(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dpkg_and_rpm_spellings_of_one_release_are_one_release() {
        for (written, meant) in [
            ("1.1.12+dfsg1-0ubuntu3~16.04.0", "1.1.12"),
            ("1.1.14-0ubuntu1.1", "1.1.14"),
            ("1.1-12.amzn2", "1.1.12"),
            ("1.1-19.amzn2023", "1.1.19"),
            ("2.0.0-5.rhel9", "2.0.0"),
            ("1:1.1.19", "1.1.19"),
            ("1.1.19", "1.1.19"),
        ] {
            assert_eq!(release(written).as_deref(), Some(meant), "{written}");
        }
        assert_eq!(release(""), None);
        assert_eq!(release("git-abc"), None);
    }

    #[test]
    fn releases_are_ordered_by_number_and_not_by_letter() {
        let ascending =
            ["1.1.2", "1.1.9", "1.1.12~rc1", "1.1.12", "1.1.12a", "1.1.12.1", "1.1.013", "1.1.100", "2.0.0"];
        for (index, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(compare(left, right), index.cmp(&other), "{left} and {right}");
            }
        }
        assert_eq!(compare("1.1.99999999999999999999999999", "1.1.1"), Ordering::Greater);
    }
}
