//! Tables of the kernel that no file tells, read through netlink(7) without starting a program.

use std::io::{self, Read as _};
use std::time::Duration;

use eic_doctor_proto::Fact;
use socket2::{Domain, Protocol, Socket, Type};

use super::host::NetlinkTable;
use super::run;

/// The kernel answers within the call; this is for one that does not.
pub(super) const TIMEOUT: Duration = Duration::from_millis(500);
/// The kernel never sends more at once (`netlink_dump` in `af_netlink.c`).
const MESSAGE: usize = 32 * 1024;
/// A router with a full table of the internet has more, and is no instance that anybody logs in to by EC2 Instance Connect.
const LIMIT: usize = 1024 * 1024;
/// The table changed while it was read.
const ATTEMPTS: usize = 3;

// linux/socket.h, linux/netlink.h, linux/rtnetlink.h, linux/sock_diag.h, linux/netfilter/nfnetlink.h and nf_tables.h.
const AF_NETLINK: i32 = 16;
const NETLINK_ROUTE: i32 = 0;
const NETLINK_SOCK_DIAG: i32 = 4;
const NETLINK_NETFILTER: i32 = 12;
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 0x10;
const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;
const RTM_GETRULE: u16 = 34;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NFT_MSG_GETCHAIN: u16 = 10 << 8 | 4;
const HEADER: usize = 16;

pub(super) fn table(table: NetlinkTable) -> Fact<Vec<u8>> {
    // The family, then what else the request's own header has.
    let (protocol, kind, families, header): (_, _, &[u8], &[u8]) = match table {
        NetlinkTable::Interfaces => (NETLINK_ROUTE, RTM_GETLINK, &[AF_UNSPEC], &[0; 15]),
        NetlinkTable::Addresses => (NETLINK_ROUTE, RTM_GETADDR, &[AF_INET, AF_INET6], &[0; 7]),
        NetlinkTable::Rules => (NETLINK_ROUTE, RTM_GETRULE, &[AF_INET, AF_INET6], &[0; 11]),
        NetlinkTable::Routes => (NETLINK_ROUTE, RTM_GETROUTE, &[AF_INET, AF_INET6], &[0; 11]),
        NetlinkTable::PacketFilterChains => (NETLINK_NETFILTER, NFT_MSG_GETCHAIN, &[AF_UNSPEC], &[0; 3]),
        // An sshd that starts or reloads just now binds its IPv4 address first: asked in this order none is missed.
        NetlinkTable::TcpInListen => (NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, &[AF_INET6, AF_INET], &tcp_in_listen()),
    };
    let mut messages = Vec::new();
    for family in families {
        let dumped = (0..ATTEMPTS).find_map(|_| dump(protocol, kind, *family, header).transpose());
        match dumped {
            Some(Ok(found)) => messages.extend(found),
            Some(Err(error)) if is_missing(&error) && *family == AF_INET6 => {}
            Some(Err(error)) if is_missing(&error) => return Fact::Absent,
            Some(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Fact::unreadable("permission denied: needs root");
            }
            Some(Err(error)) => return Fact::unreadable(run::reason(&error)),
            None => return Fact::unreadable("it changes all the time"),
        }
    }
    Fact::Known(messages)
}

/// What `inet_diag_req_v2` of linux/inet_diag.h has after the family: the protocol, the states, and a socket that is not one of them.
fn tcp_in_listen() -> [u8; 55] {
    const IPPROTO_TCP: u8 = 6;
    const TCP_LISTEN: u32 = 10;
    let mut request = [0; 55];
    request[0] = IPPROTO_TCP;
    for (place, byte) in request.iter_mut().skip(3).zip((1_u32 << TCP_LISTEN).to_ne_bytes()) {
        *place = byte;
    }
    request
}

/// EPROTONOSUPPORT, EAFNOSUPPORT, EOPNOTSUPP: a kernel that was built without it.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(93 | 95 | 97))
}

/// Every message of one dump, or `None` when the table changed in between.
fn dump(protocol: i32, kind: u16, family: u8, header: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW, Some(Protocol::from(protocol)))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let length = HEADER + 1 + header.len();
    let mut request = Vec::with_capacity(length);
    request.extend((length as u32).to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request.extend([0; 8]);
    request.push(family);
    request.extend(header);
    socket.send(&request)?;
    let mut all = Vec::new();
    let mut buffer = vec![0; MESSAGE];
    loop {
        let read = socket.read(&mut buffer)?;
        let mut rest = buffer.get(..read).unwrap_or_default();
        if rest.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while let Some(message) = Message::first(rest) {
            if message.flags & NLM_F_DUMP_INTR != 0 {
                return Ok(None);
            }
            match message.kind {
                NLMSG_DONE => return Ok(Some(all)),
                NLMSG_ERROR => {
                    let code = message.whole.get(HEADER..HEADER + 4).and_then(|code| code.try_into().ok());
                    return Err(io::Error::from_raw_os_error(
                        i32::from_ne_bytes(code.unwrap_or([0; 4])).saturating_neg(),
                    ));
                }
                _ => all.extend_from_slice(message.whole),
            }
            if all.len() > LIMIT {
                return Err(io::Error::other(format!("larger than {LIMIT} bytes")));
            }
            rest = rest.get(message.whole.len()..).unwrap_or_default();
        }
    }
}

struct Message<'a> {
    kind: u16,
    flags: u16,
    /// With its header and the padding behind it.
    whole: &'a [u8],
}

impl<'a> Message<'a> {
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let flags = u16::from_ne_bytes(bytes.get(6..8)?.try_into().ok()?);
        if length < HEADER || length > bytes.len() {
            return None;
        }
        let padded = length.next_multiple_of(4).min(bytes.len());
        Some(Self { kind, flags, whole: bytes.get(..padded)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_an_address_and_rules() {
        assert!(table(NetlinkTable::Addresses).known().is_some_and(|bytes| !bytes.is_empty()));
        assert!(table(NetlinkTable::Rules).known().is_some_and(|bytes| !bytes.is_empty()));
        assert!(table(NetlinkTable::Routes).known().is_some());
    }

    #[test]
    fn a_listening_socket_of_this_very_process_is_among_the_kernels() {
        let listeners = ["127.0.0.1:0", "[::1]:0"].map(std::net::TcpListener::bind);
        // A container may have no IPv6 address, and a kernel no such table.
        let Fact::Known(bytes) = table(NetlinkTable::TcpInListen) else { return };
        let seen = crate::parse::parse_netlink_sockets(&bytes).value;
        for address in listeners.iter().flatten().map(|listener| listener.local_addr().unwrap()) {
            assert!(seen.iter().any(|socket| socket.address == address.ip() && socket.port == address.port()));
        }
    }
}
