//! D-Bus messages, as far as systemd's answers to `Properties.Get` need them (D-Bus Specification, "Message Protocol" and "Type System").

use super::{Parsed, text};

/// No property that is asked for is larger; one such answer is refused rather than held.
pub const DBUS_MESSAGE_LIMIT: usize = 64 * 1024;

/// The fixed part of a message's head: up to and with the length of the header fields.
const HEAD: usize = 16;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
/// Header fields ("Header Fields").
const REPLY_SERIAL: u64 = 5;
const SIGNATURE: u64 = 8;
/// Deeper and larger values than any of systemd's are not read.
const DEPTH: usize = 16;
const VALUES: usize = 4096;

/// An answer to one method call. Signals, which systemd sends to everybody, are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbusReply {
    /// The number of the call.
    pub to: u32,
    /// `None`: an error, or a value that we could not read.
    pub value: Option<DbusValue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DbusValue {
    /// Also an object path or a signature.
    Text(String),
    Flag(bool),
    /// Every other basic type, its bits as they are.
    Number(u64),
    /// An array, a structure or an entry of a dictionary.
    Many(Vec<DbusValue>),
}

/// The length of the message that `bytes` begin with; `None` while that cannot be said yet. `Err`: it is no message, or too large a one.
pub fn dbus_message_length(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let Some(head) = bytes.get(..HEAD) else { return Ok(None) };
    // Every EC2 instance type is little-endian.
    if !head.starts_with(b"l") || head.get(3) != Some(&1) {
        return Err("no D-Bus message");
    }
    let mut reader = Reader::new(head, 4);
    let lengths = (reader.number(4), reader.number(4), reader.number(4));
    let (Some(body), _, Some(fields)) = lengths else { return Err("no D-Bus message") };
    let (Ok(body), Ok(fields)) = (usize::try_from(body), usize::try_from(fields)) else { return Err("too large") };
    if body > DBUS_MESSAGE_LIMIT || fields > DBUS_MESSAGE_LIMIT {
        return Err("too large a D-Bus message");
    }
    Ok(Some((HEAD + fields).next_multiple_of(8) + body))
}

/// The replies among whole messages; bytes at the end that are not one are not understood.
pub fn parse_dbus_replies(bytes: &[u8]) -> Parsed<Vec<DbusReply>> {
    let mut parsed = Parsed::<Vec<DbusReply>>::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let message = match dbus_message_length(rest) {
            Ok(Some(length)) => rest.split_at_checked(length),
            Ok(None) | Err(_) => None,
        };
        let Some((message, after)) = message else {
            parsed.pass_over(&text(rest.get(..HEAD).unwrap_or(rest)));
            break;
        };
        parsed.value.extend(reply(message));
        rest = after;
    }
    parsed
}

fn reply(message: &[u8]) -> Option<DbusReply> {
    let kind = *message.get(1)?;
    if kind != METHOD_RETURN && kind != ERROR {
        return None;
    }
    let mut reader = Reader::new(message, 12);
    let DbusValue::Many(fields) = reader.value(b"a(yv)", 0)?.0 else { return None };
    let field = |wanted: u64| {
        fields.iter().find_map(|field| match field {
            DbusValue::Many(pair) => match pair.as_slice() {
                [DbusValue::Number(code), value] if *code == wanted => Some(value),
                _ => None,
            },
            _ => None,
        })
    };
    let Some(DbusValue::Number(to)) = field(REPLY_SERIAL) else { return None };
    let to = u32::try_from(*to).ok()?;
    let value = match field(SIGNATURE) {
        Some(DbusValue::Text(signature)) if kind == METHOD_RETURN => {
            reader.align(8).and_then(|()| reader.value(signature.as_bytes(), 0)).map(|(value, _)| value)
        }
        _ => None,
    };
    Some(DbusReply { to, value })
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// From the beginning of the message, which all alignment counts from.
    at: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, values: 0 }
    }

    fn align(&mut self, to: usize) -> Option<()> {
        self.at = self.at.checked_next_multiple_of(to)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    /// A number of so many bytes, which it is also aligned to.
    fn number(&mut self, size: usize) -> Option<u64> {
        self.align(size)?;
        Some(self.take(size)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn text(&mut self, length_size: usize) -> Option<String> {
        let length = usize::try_from(self.number(length_size)?).ok()?;
        let content = text(self.take(length)?).into_owned();
        self.take(1)?;
        Some(content)
    }

    /// One value of the first type in `signature`, and what of the signature is left.
    fn value<'s>(&mut self, signature: &'s [u8], depth: usize) -> Option<(DbusValue, &'s [u8])> {
        self.values += 1;
        if depth > DEPTH || self.values > VALUES {
            return None;
        }
        let (kind, rest) = signature.split_first()?;
        let value = match kind {
            b'b' => DbusValue::Flag(self.number(4)? != 0),
            b's' | b'o' => DbusValue::Text(self.text(4)?),
            b'g' => DbusValue::Text(self.text(1)?),
            b'v' => {
                let inner = self.text(1)?;
                self.value(inner.as_bytes(), depth + 1)?.0
            }
            b'a' => return self.array(rest, depth),
            b'(' | b'{' => return self.members(rest, depth),
            _ => DbusValue::Number(self.number(size(*kind)?)?),
        };
        Some((value, rest))
    }

    fn array<'s>(&mut self, element: &'s [u8], depth: usize) -> Option<(DbusValue, &'s [u8])> {
        let rest = after_one(element, depth)?;
        let length = usize::try_from(self.number(4)?).ok()?;
        self.align(alignment(*element.first()?))?;
        let end = self.at.checked_add(length)?;
        let mut values = Vec::new();
        while self.at < end {
            let before = self.at;
            values.push(self.value(element, depth + 1)?.0);
            // An element without bytes would never end.
            if self.at == before {
                return None;
            }
        }
        (self.at == end).then_some((DbusValue::Many(values), rest))
    }

    fn members<'s>(&mut self, mut signature: &'s [u8], depth: usize) -> Option<(DbusValue, &'s [u8])> {
        self.align(8)?;
        let mut values = Vec::new();
        loop {
            if let [b')' | b'}', rest @ ..] = signature {
                return Some((DbusValue::Many(values), rest));
            }
            let (value, rest) = self.value(signature, depth + 1)?;
            values.push(value);
            signature = rest;
        }
    }
}

fn size(kind: u8) -> Option<usize> {
    match kind {
        b'y' => Some(1),
        b'n' | b'q' => Some(2),
        b'i' | b'u' | b'h' => Some(4),
        b'x' | b't' | b'd' => Some(8),
        _ => None,
    }
}

fn alignment(kind: u8) -> usize {
    match kind {
        b'g' | b'v' => 1,
        b'(' | b'{' => 8,
        _ => size(kind).unwrap_or(4),
    }
}

/// What follows the first type of a signature.
fn after_one(signature: &[u8], depth: usize) -> Option<&[u8]> {
    if depth > DEPTH {
        return None;
    }
    let (kind, mut rest) = signature.split_first()?;
    match kind {
        b'a' => after_one(rest, depth + 1),
        b'(' | b'{' => loop {
            if let [b')' | b'}', after @ ..] = rest {
                return Some(after);
            }
            rest = after_one(rest, depth + 1)?;
        },
        _ => Some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of `kind` that answers call 7, with a body.
    fn message(kind: u8, signature: &str, body: &[u8]) -> Vec<u8> {
        let mut fields = vec![5, 1, b'u', 0, 7, 0, 0, 0, 8, 1, b'g', 0, signature.len() as u8];
        fields.extend_from_slice(signature.as_bytes());
        fields.push(0);
        let mut message = vec![b'l', kind, 1, 1];
        message.extend((body.len() as u32).to_le_bytes());
        message.extend([1, 0, 0, 0]);
        message.extend((fields.len() as u32).to_le_bytes());
        message.extend(fields);
        message.resize(message.len().next_multiple_of(8), 0);
        message.extend_from_slice(body);
        message
    }

    fn value(signature: &str, body: &[u8]) -> Option<DbusValue> {
        let parsed = parse_dbus_replies(&message(METHOD_RETURN, signature, body));
        let [reply] = parsed.value.as_slice() else { panic!("{parsed:?}") };
        assert_eq!(reply.to, 7);
        reply.value.clone()
    }

    #[test]
    fn values_of_each_shape_are_read() {
        let word = |text: &str| DbusValue::Text(text.to_owned());
        assert_eq!(value("v", b"\x01s\0\0\x02\0\0\0ok\0"), Some(word("ok")));
        assert_eq!(value("b", b"\x01\0\0\0"), Some(DbusValue::Flag(true)));
        assert_eq!(value("q", b"\x16\0"), Some(DbusValue::Number(22)));
        assert_eq!(value("as", b"\0\0\0\0"), Some(DbusValue::Many(Vec::new())));
        let listen = b"\x16\0\0\0\0\0\0\0\x06\0\0\0Stream\0\0\x02\0\0\x0022\0";
        let pair = DbusValue::Many(vec![word("Stream"), word("22")]);
        assert_eq!(value("a(ss)", listen), None, "a length that ends within an element");
        let listen = [&b"\x13\0\0\0"[..], &listen[4..]].concat();
        assert_eq!(value("a(ss)", &listen), Some(DbusValue::Many(vec![pair])));
    }

    #[test]
    fn errors_have_no_value_and_signals_are_left_out() {
        let bytes = [message(4, "b", b"\x01\0\0\0"), message(ERROR, "s", b"\x01\0\0\0x\0")].concat();
        assert_eq!(parse_dbus_replies(&bytes).value, [DbusReply { to: 7, value: None }]);
    }

    #[test]
    fn endless_nesting_and_elements_without_bytes_are_refused() {
        assert_eq!(value(&"a".repeat(200), &[0; 64]), None);
        assert_eq!(value(&"(".repeat(200), &[0; 64]), None);
        assert_eq!(value("a()", b"\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), None);
        assert_eq!(value("ay", &[&10_000_u32.to_le_bytes()[..], &[0; 10_000]].concat()), None);
    }

    #[test]
    fn a_message_is_whole_or_too_large_or_none() {
        let whole = message(METHOD_RETURN, "b", b"\x01\0\0\0");
        assert_eq!(dbus_message_length(&whole), Ok(Some(whole.len())));
        assert_eq!(dbus_message_length(&whole[..15]), Ok(None));
        assert!(dbus_message_length(b"HTTP/1.1 200 OK\r\n").is_err());
        assert!(dbus_message_length(b"l\x02\x01\x01\xff\xff\xff\xff\x01\0\0\0\0\0\0\0").is_err());
        assert_eq!(parse_dbus_replies(&whole[..whole.len() - 1]).not_understood.len(), 1);
    }
}
