//! systemd's private socket, on which it answers root in D-Bus without a bus in between: what `systemctl show` would ask there.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::parse::{self, DbusValue, ShownUnit};

use super::host::Property;

/// Root's alone; systemd listens on it since its first versions.
pub(super) const SOCKET: &str = "/run/systemd/private";
const ANSWER_LIMIT: usize = 1024 * 1024;
/// Longer than any answer to an offer of authentication.
const LINE_LIMIT: usize = 256;

/// The properties of each unit; one that systemd does not have is left out.
pub(super) fn show(
    path: &str,
    units: &[&str],
    properties: &[Property],
    timeout: Duration,
) -> io::Result<Vec<ShownUnit>> {
    let until = Instant::now() + timeout;
    let mut stream = connected(path, timeout)?;
    authenticate(&mut stream, until)?;
    let asked: Vec<(usize, &Property)> = (0..units.len())
        .flat_map(|unit| properties.iter().map(move |property| (unit, property)))
        .filter(|(unit, property)| units.get(*unit).is_some_and(|unit| property.is_of(unit)))
        .collect();
    let calls: Vec<u8> = asked
        .iter()
        .zip(1..)
        .flat_map(|((unit, property), serial)| call(serial, units.get(*unit).copied().unwrap_or_default(), property))
        .collect();
    write(&mut stream, until, &calls)?;
    let answers = read_answers(&mut stream, until, asked.len())?;
    let mut shown = vec![ShownUnit::default(); units.len()];
    for ((unit, property), serial) in asked.iter().zip(1..) {
        let value = answers.iter().find(|reply| reply.to == serial).and_then(|reply| reply.value.as_ref());
        if let (Some(shown), Some(value)) = (shown.get_mut(*unit), value) {
            take(shown, property, value);
        }
    }
    Ok(shown)
}

/// A socket whose queue is full would hold an ordinary `connect` for ever.
fn connected(path: &str, timeout: Duration) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(timeout))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(UnixStream::from(OwnedFd::from(socket)))
}

/// "Authentication Protocol" of the D-Bus Specification: the kernel tells systemd who we are.
fn authenticate(stream: &mut UnixStream, until: Instant) -> io::Result<()> {
    let uid: String = nix::unistd::geteuid().to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
    write(stream, until, format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes())?;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") && line.len() < LINE_LIMIT {
        read_some(stream, until, &mut line)?;
    }
    if !line.starts_with(b"OK ") {
        return Err(io::Error::other("systemd does not take us for root"));
    }
    write(stream, until, b"BEGIN\r\n")
}

fn read_answers(stream: &mut UnixStream, until: Instant, wanted: usize) -> io::Result<Vec<parse::DbusReply>> {
    let mut answers = Vec::new();
    let mut bytes = Vec::new();
    let mut received = 0;
    while answers.len() < wanted {
        match parse::dbus_message_length(&bytes).map_err(io::Error::other)? {
            Some(length) if length <= bytes.len() => {
                let message: Vec<u8> = bytes.drain(..length).collect();
                answers.extend(parse::parse_dbus_replies(&message).value);
            }
            _ => received += read_some(stream, until, &mut bytes)?,
        }
        if received > ANSWER_LIMIT {
            return Err(io::Error::other("systemd's answer does not end"));
        }
    }
    Ok(answers)
}

fn read_some(stream: &mut UnixStream, until: Instant, into: &mut Vec<u8>) -> io::Result<usize> {
    stream.set_read_timeout(Some(left(until)?))?;
    let mut part = [0; 4096];
    match stream.read(&mut part) {
        Ok(0) => Err(io::Error::other("systemd closed the connection")),
        Ok(read) => {
            into.extend_from_slice(part.get(..read).unwrap_or_default());
            Ok(read)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(late()),
        Err(error) => Err(error),
    }
}

fn write(stream: &mut UnixStream, until: Instant, bytes: &[u8]) -> io::Result<()> {
    stream.set_write_timeout(Some(left(until)?))?;
    stream.write_all(bytes).map_err(|error| if error.kind() == io::ErrorKind::WouldBlock { late() } else { error })
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(late()) } else { Ok(left) }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "systemd did not answer in time")
}

/// The call `org.freedesktop.DBus.Properties.Get` for one property.
fn call(serial: u32, unit: &str, property: &Property) -> Vec<u8> {
    let mut fields = Vec::new();
    for (code, kind, value) in [
        (1, b'o', object_path(unit).as_str()),
        (2, b's', "org.freedesktop.DBus.Properties"),
        (3, b's', "Get"),
        (8, b'g', "ss"),
    ] {
        pad(&mut fields, 8);
        fields.extend([code, 1, kind, 0]);
        if kind == b'g' {
            fields.push(value.len() as u8);
            fields.extend_from_slice(value.as_bytes());
            fields.push(0);
        } else {
            push_text(&mut fields, value);
        }
    }
    let mut body = Vec::new();
    push_text(&mut body, &format!("org.freedesktop.systemd1.{}", property.interface));
    push_text(&mut body, property.name);
    // Little-endian, a method call, no flags, version 1 of the protocol.
    let mut message = vec![b'l', 1, 0, 1];
    message.extend((body.len() as u32).to_le_bytes());
    message.extend(serial.to_le_bytes());
    message.extend((fields.len() as u32).to_le_bytes());
    message.extend(fields);
    pad(&mut message, 8);
    message.extend(body);
    message
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    pad(bytes, 4);
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

/// `ssh.service` is `/org/freedesktop/systemd1/unit/ssh_2eservice` (sd_bus_path_encode(3)).
fn object_path(unit: &str) -> String {
    let mut path = "/org/freedesktop/systemd1/unit/".to_owned();
    for byte in unit.bytes() {
        if byte.is_ascii_alphanumeric() {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

/// As `systemctl show` would print it, but for the arguments of ExecStart, which keep their borders.
fn take(unit: &mut ShownUnit, property: &Property, value: &DbusValue) {
    let mut push = |text: String| unit.properties.push((property.name.to_owned(), text));
    match (property.name, value) {
        (_, DbusValue::Text(text)) => push(text.clone()),
        (_, DbusValue::Flag(flag)) => push(if *flag { "yes" } else { "no" }.to_owned()),
        (_, DbusValue::Number(number)) => push(number.to_string()),
        ("ExecStart", DbusValue::Many(commands)) => {
            // Path, arguments, and what became of it.
            if let Some(DbusValue::Many(members)) = commands.last()
                && let Some(DbusValue::Many(arguments)) = members.get(1)
            {
                unit.exec_start = arguments.iter().filter_map(text).map(str::to_owned).collect();
            }
        }
        ("Listen", DbusValue::Many(sockets)) => {
            for socket in sockets {
                if let DbusValue::Many(pair) = socket
                    && let [DbusValue::Text(kind), DbusValue::Text(address)] = pair.as_slice()
                {
                    push(format!("{address} ({kind})"));
                }
            }
        }
        (_, DbusValue::Many(texts)) => push(texts.iter().filter_map(text).collect::<Vec<_>>().join(" ")),
    }
}

fn text(value: &DbusValue) -> Option<&str> {
    match value {
        DbusValue::Text(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    const REPLIES: &[u8] = include_bytes!("../../../tests/recorded/debian-12/systemd-replies");
    const fn of_unit(name: &'static str) -> Property {
        Property { interface: "Unit", name }
    }
    /// As `PROPERTIES` of `record.py` has them.
    const PROPERTIES: [Property; 6] = [
        of_unit("Id"),
        of_unit("ActiveState"),
        of_unit("DropInPaths"),
        of_unit("NeedDaemonReload"),
        of_unit("NoSuchProperty"),
        Property { interface: "Service", name: "ExecStart" },
    ];

    /// What is told, asked of a systemd that lets us in and then says `answers`; it never hangs up by itself.
    fn asked(welcome: &'static str, answers: Vec<u8>) -> io::Result<ShownUnit> {
        asked_for(Duration::from_secs(20), welcome, answers)
    }

    fn asked_for(timeout: Duration, welcome: &'static str, answers: Vec<u8>) -> io::Result<ShownUnit> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("private");
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut said = [0; 8192];
            let _ = stream.read(&mut said).unwrap();
            stream.write_all(welcome.as_bytes()).unwrap();
            let mut said = Vec::new();
            let mut part = [0; 8192];
            // Until the last call has come, or the caller has gone.
            while !said.ends_with(b"ExecStart\0") {
                match stream.read(&mut part) {
                    Ok(0) | Err(_) => return said,
                    Ok(read) => said.extend_from_slice(&part[..read]),
                }
            }
            let _ = stream.write_all(&answers);
            let _ = stream.read(&mut part);
            said
        });
        let shown = show(path.to_str().unwrap(), &["ssh.service"], &PROPERTIES, timeout);
        let said = server.join().unwrap();
        assert!(shown.is_err() || said.starts_with(b"BEGIN\r\nl\x01\0\x01"));
        shown.map(|mut shown| shown.remove(0))
    }

    #[test]
    fn what_a_real_systemd_answered_is_what_systemctl_shows() {
        let shown = asked("OK 0123\r\n", REPLIES.to_vec()).unwrap();
        let folder = "/usr/lib/systemd/system/ssh.service.d";
        assert_eq!(
            shown.properties,
            [
                ("Id", "ssh.service"),
                ("ActiveState", "active"),
                ("DropInPaths", &format!("{folder}/ec2-instance-connect.conf")),
                ("NeedDaemonReload", "no"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        let recorded = include_bytes!("../../../tests/recorded/debian-12/systemctl-show");
        // `systemctl` of this version has lost the borders between arguments.
        assert_eq!(shown.exec_start.join(" "), parse::parse_systemctl_show(recorded).value[0].exec_start.join(" "));
        assert_eq!(shown.exec_start.len(), 7);
    }

    #[test]
    fn a_systemd_that_refuses_hangs_floods_or_speaks_something_else_is_an_error() {
        let said = |shown: io::Result<ShownUnit>| shown.unwrap_err().to_string();
        assert_eq!(said(asked("REJECTED EXTERNAL\r\n", Vec::new())), "systemd does not take us for root");
        let hanging = asked_for(Duration::from_millis(200), "OK 0\r\n", REPLIES[..300].to_vec()).unwrap_err();
        assert_eq!(hanging.kind(), io::ErrorKind::TimedOut);
        assert_eq!(said(asked("OK 0\r\n", b"HTTP/1.1 400 Bad Request\r\n".to_vec())), "no D-Bus message");
        let mut signal = vec![b'l', 4, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        signal = signal.repeat(100_000);
        assert_eq!(said(asked("OK 0\r\n", signal)), "systemd's answer does not end");
        let nowhere = show("/nonexistent/private", &["ssh.service"], &PROPERTIES, Duration::from_secs(1));
        assert_eq!(nowhere.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_units_name_is_a_path_of_d_bus() {
        assert_eq!(object_path("ssh.service"), "/org/freedesktop/systemd1/unit/ssh_2eservice");
    }
}
