//! Messages of sock_diag(7): TCP sockets in state LISTEN.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use eic_doctor_proto::Fact;

use super::net_tcp::ListenSocket;
use super::{Parsed, netlink};

// linux/sock_diag.h, linux/inet_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `struct inet_diag_msg`: four bytes, the socket's own 48, five numbers.
const MESSAGE: usize = 72;
const TCP_LISTEN: u8 = 10;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// One byte, of IPv6 sockets in state LISTEN (Linux 4.3 and newer).
const INET_DIAG_SKV6ONLY: u16 = 11;

/// Other states are passed over in silence.
pub fn parse_netlink_sockets(bytes: &[u8]) -> Parsed<Vec<ListenSocket>> {
    netlink::each(bytes, SOCK_DIAG_BY_FAMILY, MESSAGE, |message, attributes| {
        if *message.get(1)? != TCP_LISTEN {
            return Some(None);
        }
        let address: IpAddr = match *message.first()? {
            AF_INET => Ipv4Addr::from(<[u8; 4]>::try_from(message.get(8..12)?).ok()?).into(),
            AF_INET6 => Ipv6Addr::from(<[u8; 16]>::try_from(message.get(8..24)?).ok()?).into(),
            _ => return None,
        };
        let port = u16::from_be_bytes(message.get(4..6)?.try_into().ok()?);
        let inode = u32::from_ne_bytes(message.get(68..72)?.try_into().ok()?);
        let is_ipv6_only = match attributes.get(INET_DIAG_SKV6ONLY).and_then(<[u8]>::first) {
            Some(flag) => Fact::Known(*flag != 0),
            None if address.is_ipv4() => Fact::Absent,
            None => Fact::NotGathered,
        };
        Some(Some(ListenSocket { address, port, inode: u64::from(inode), is_ipv6_only }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(family: u8, state: u8, port: u16, address: &[u8], inode: u32) -> Vec<u8> {
        with_attributes(family, state, port, address, inode, &[])
    }

    fn with_attributes(family: u8, state: u8, port: u16, address: &[u8], inode: u32, attributes: &[u8]) -> Vec<u8> {
        let mut message = (88 + attributes.len() as u32).to_ne_bytes().to_vec();
        message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        message.resize(16, 0);
        message.extend([family, state, 0, 0]);
        message.extend(port.to_be_bytes());
        message.extend([0; 2]);
        message.extend(address);
        message.resize(84, 0);
        message.extend(inode.to_ne_bytes());
        message.extend(attributes);
        message
    }

    #[test]
    fn a_socket_says_whether_it_takes_ipv4_too() {
        let told = |attributes: &[u8]| {
            let bytes = with_attributes(10, 10, 22, &[0; 16], 7, attributes);
            parse_netlink_sockets(&bytes).value.remove(0).is_ipv6_only
        };
        // A byte with its header of four, padded to eight; before it INET_DIAG_SHUTDOWN (8).
        assert_eq!(told(&[5, 0, 8, 0, 0, 0, 0, 0, 5, 0, 11, 0, 1, 0, 0, 0]), Fact::Known(true));
        assert_eq!(told(&[5, 0, 11, 0, 0, 0, 0, 0]), Fact::Known(false));
        for untold in [&[][..], &[4, 0, 11, 0], &[9, 0, 11, 0, 1, 0, 0, 0]] {
            assert_eq!(told(untold), Fact::NotGathered, "{untold:?}");
        }
    }

    #[test]
    fn both_families_are_read_and_other_states_are_not() {
        let bytes = [
            message(10, 10, 22, &Ipv6Addr::LOCALHOST.octets(), 7),
            message(2, 10, 8080, &[127, 0, 0, 1], 4242),
            message(2, 1, 8080, &[127, 0, 0, 1], 4243),
            message(1, 10, 1, &[], 1),
        ]
        .concat();
        let parsed = parse_netlink_sockets(&bytes);
        assert_eq!(
            parsed.value,
            [
                ListenSocket { address: "::1".parse().unwrap(), port: 22, inode: 7, is_ipv6_only: Fact::NotGathered },
                ListenSocket {
                    address: "127.0.0.1".parse().unwrap(),
                    port: 8080,
                    inode: 4242,
                    is_ipv6_only: Fact::Absent,
                },
            ]
        );
        assert_eq!(parsed.not_understood.len(), 1);
    }
}
