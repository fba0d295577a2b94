//! `/proc/net/tcp` and `/proc/net/tcp6`: sockets in state LISTEN.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use eic_doctor_proto::Fact;

use super::{Parsed, text};

/// `TCP_LISTEN` of the kernel's `tcp_states.h`.
const LISTEN: &str = "0A";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSocket {
    pub address: IpAddr,
    pub port: u16,
    pub inode: u64,
    /// IPV6_V6ONLY of ipv6(7), which `/proc/net/tcp6` does not tell; absent for IPv4.
    pub is_ipv6_only: Fact<bool>,
}

/// Of both files, in either order; other states are passed over in silence.
pub fn parse_net_tcp(bytes: &[u8]) -> Parsed<Vec<ListenSocket>> {
    let mut parsed = Parsed::<Vec<ListenSocket>>::default();
    for line in text(bytes).lines().filter(|line| !line.trim().is_empty() && !line.contains("local_address")) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (Some(local), Some(state), Some(inode)) = (fields.get(1), fields.get(3), fields.get(9)) else {
            parsed.pass_over(line);
            continue;
        };
        if *state != LISTEN {
            continue;
        }
        let socket = local.split_once(':').and_then(|(address, port)| {
            Some(ListenSocket {
                address: parse_address(address)?,
                port: u16::from_str_radix(port, 16).ok()?,
                inode: inode.parse().ok()?,
                is_ipv6_only: Fact::NotGathered,
            })
        });
        match socket {
            Some(socket) => parsed.value.push(socket),
            None => parsed.pass_over(line),
        }
    }
    parsed
}

/// A socket in another state stands among these lines. The kernel lists those in state LISTEN first.
pub fn is_past_listening(bytes: &[u8]) -> bool {
    let state = |line: &str| line.split_whitespace().nth(3).map(str::to_owned);
    text(bytes).lines().filter(|line| !line.contains("local_address")).filter_map(state).any(|state| state != LISTEN)
}

/// The kernel prints each 32-bit word of the address, which it holds in network order, as a number of the machine's own order. We are on the
/// machine that printed it, or (a recorded answer) on another little-endian one, as every EC2 instance type is.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |index: usize| u32::from_str_radix(hex.get(index * 8..index * 8 + 8)?, 16).ok().map(u32::to_le_bytes);
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut octets = [0; 16];
            for (octet, value) in octets.iter_mut().zip(words.into_iter().flatten()) {
                *octet = value;
            }
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_read_in_the_machines_byte_order() {
        let parsed = parse_net_tcp(
            b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
               0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0\n\
               1: 0100007F:1F90 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100 0 0 10 0\n\
               0: B80D0120000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7 1 0 1\n\
               x\n",
        );
        assert_eq!(
            parsed.value,
            [
                ListenSocket {
                    address: "127.0.0.1".parse().unwrap(),
                    port: 8080,
                    inode: 4242,
                    is_ipv6_only: Fact::NotGathered
                },
                ListenSocket {
                    address: "2001:db8::1".parse().unwrap(),
                    port: 22,
                    inode: 7,
                    is_ipv6_only: Fact::NotGathered
                },
            ]
        );
        assert_eq!(parsed.not_understood.len(), 1);
    }
}
