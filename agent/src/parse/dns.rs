//! DNS messages (RFC 1035), as far as one question for addresses goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names lead to names; more is a loop.
const ALIASES: usize = 8;
/// RFC 1035, 2.3.4.
const NAME: usize = 255;
const LABEL: usize = 63;
const ADDRESSES: usize = 16;
/// Of one message; nobody has so many.
const RECORDS: usize = 128;
const INTERNET: u16 = 1;
const CNAME: u16 = 5;

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsType {
    A = 1,
    Aaaa = 28,
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsAnswer {
    /// None: the name has none of this kind.
    Addresses(Vec<IpAddr>),
    NoSuchName,
    /// The whole answer is to be had by TCP.
    Truncated,
    /// The server cannot, or will not (RFC 1035, 4.1.1: RCODE).
    Failed(u8),
}

/// A question with recursion desired; `None` where the name is none.
pub fn dns_question(id: u16, name: &str, kind: DnsType) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(name.len() + 18);
    message.extend(id.to_be_bytes());
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > NAME - 2 {
        return None;
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=LABEL).contains(&usize::from(*length)))?;
        message.push(length);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend((kind as u16).to_be_bytes());
    message.extend(INTERNET.to_be_bytes());
    Some(message)
}

/// The answer to a question that [`dns_question`] made; `None` where it is not, whatever else it may be.
pub fn parse_dns_answer(bytes: &[u8], question: &[u8]) -> Option<DnsAnswer> {
    let mut message = Message { bytes, at: 0 };
    let id = message.take(2)?;
    let [flags, more] = *message.take(2)? else { return None };
    let (questions, answers) = (message.number()?, message.number()?);
    message.take(4)?;
    let asked = question.get(12..)?;
    let same_question = message.take(asked.len()).is_some_and(|found| found.eq_ignore_ascii_case(asked));
    if id != question.get(..2)? || flags & 0x80 == 0 || questions != 1 || !same_question {
        return None;
    }
    if flags & 0x02 != 0 {
        return Some(DnsAnswer::Truncated);
    }
    match more & 0x0f {
        0 => {}
        3 => return Some(DnsAnswer::NoSuchName),
        code => return Some(DnsAnswer::Failed(code)),
    }
    let wanted = Message { bytes: asked.get(asked.len().checked_sub(4)?..)?, at: 0 }.number()?;
    let mut records = Vec::new();
    for _ in 0..usize::from(answers).min(RECORDS) {
        records.push(message.record()?);
    }
    let mut name = Message { bytes: question, at: 12 }.name()?;
    let mut addresses = Vec::new();
    for _ in 0..ALIASES {
        addresses.extend(
            records
                .iter()
                .filter(|record| record.kind == wanted && record.name == name)
                .filter_map(|record| address(record.data))
                .take(ADDRESSES),
        );
        let alias = records.iter().find(|record| record.kind == CNAME && record.name == name);
        match alias.and_then(|alias| Message { bytes, at: alias.data_at }.name()) {
            Some(next) if addresses.is_empty() => name = next,
            _ => break,
        }
    }
    Some(DnsAnswer::Addresses(addresses))
}

fn address(data: &[u8]) -> Option<IpAddr> {
    match data.len() {
        4 => <[u8; 4]>::try_from(data).ok().map(|octets| Ipv4Addr::from(octets).into()),
        16 => <[u8; 16]>::try_from(data).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

struct Record<'a> {
    name: Vec<u8>,
    kind: u16,
    data: &'a [u8],
    data_at: usize,
}

/// A message and how far it is read.
struct Message<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Message<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let name = self.name()?;
        let (kind, _class) = (self.number()?, self.number()?);
        let _lives = self.take(4)?;
        let length = self.number()?;
        let data_at = self.at;
        Some(Record { name, kind, data: self.take(usize::from(length))?, data_at })
    }

    /// In lower case, labels with their lengths. A pointer leads only backwards, so a name always ends.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let mut at = self.at;
        let mut end = None;
        loop {
            let length = *self.bytes.get(at)?;
            match length {
                0 => {
                    self.at = end.unwrap_or(at + 1);
                    return Some(name);
                }
                1..=63 => {
                    let label = self.bytes.get(at..at + 1 + usize::from(length))?;
                    name.extend(label.iter().map(u8::to_ascii_lowercase));
                    at += 1 + usize::from(length);
                }
                0xc0.. => {
                    let low = *self.bytes.get(at + 1)?;
                    let to = usize::from(length & 0x3f) << 8 | usize::from(low);
                    end.get_or_insert(at + 2);
                    if to >= at {
                        return None;
                    }
                    at = to;
                }
                _ => return None,
            }
            if name.len() > NAME {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIAS: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03lb1\xc0\x0e";
    const ADDRESS: &[u8] = b"\xc0\x27\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x07";

    fn question() -> Vec<u8> {
        dns_question(0x1234, "eic.example", DnsType::A).unwrap()
    }

    fn answer(flags: [u8; 2], records: &[&[u8]]) -> Vec<u8> {
        let mut bytes = question();
        bytes[2..4].copy_from_slice(&flags);
        bytes[7] = u8::try_from(records.len()).unwrap();
        records.iter().for_each(|record| bytes.extend_from_slice(record));
        bytes
    }

    #[test]
    fn an_address_is_found_also_behind_an_alias() {
        let direct = answer([0x81, 0x80], &[b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x07"]);
        let found = Some(DnsAnswer::Addresses(vec!["10.0.0.7".parse().unwrap()]));
        assert_eq!(parse_dns_answer(&direct, &question()), found);
        // "lb1" + pointer to "example" (offset 0x10), named by the address record by a pointer to the alias's data.
        let alias = [&ALIAS[..ALIAS.len() - 1], b"\x10"].concat();
        let at = question().len() + 12;
        let address = [&[0xc0, u8::try_from(at).unwrap()], &ADDRESS[2..]].concat();
        assert_eq!(parse_dns_answer(&answer([0x81, 0x80], &[&alias, &address]), &question()), found);
    }

    #[test]
    fn an_address_of_another_name_is_not_taken() {
        let other = b"\x05other\0\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x07";
        assert_eq!(parse_dns_answer(&answer([0x81, 0x80], &[other]), &question()), Some(DnsAnswer::Addresses(vec![])));
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let good = answer([0x81, 0x80], &[]);
        for (at, byte) in [(0, 0), (2, 1), (5, 2), (14, b'x')] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(parse_dns_answer(&bad, &question()), None, "byte {at}");
        }
        assert_eq!(parse_dns_answer(&answer([0x83, 0x80], &[]), &question()), Some(DnsAnswer::Truncated));
        assert_eq!(parse_dns_answer(&answer([0x81, 0x83], &[]), &question()), Some(DnsAnswer::NoSuchName));
        assert_eq!(parse_dns_answer(&answer([0x81, 0x85], &[]), &question()), Some(DnsAnswer::Failed(5)));
    }

    #[test]
    fn a_name_that_leads_to_itself_or_forward_is_no_name() {
        for pointer in [[0xc0, 29], [0xc0, 35], [0xc1, 0]] {
            let record = [&pointer[..], b"\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x07"].concat();
            assert_eq!(parse_dns_answer(&answer([0x81, 0x80], &[&record]), &question()), None);
        }
    }

    #[test]
    fn what_cannot_be_asked_is_not() {
        for name in ["", ".", "a..b", &"x".repeat(64), &"x.".repeat(130)] {
            assert_eq!(dns_question(1, name, DnsType::Aaaa), None, "{name}");
        }
        assert_eq!(dns_question(1, "a.b.", DnsType::A), dns_question(1, "a.b", DnsType::A));
    }
}
