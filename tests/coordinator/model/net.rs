//! Addresses as numbers, and CIDRs as a first and a last one.

use std::net::IpAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub is_v6: bool,
    pub number: u128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    pub is_v6: bool,
    pub first: u128,
    pub last: u128,
    pub length: u8,
}

impl Address {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.parse().ok()? {
            IpAddr::V4(v4) => Self { is_v6: false, number: u128::from(u32::from(v4)) },
            IpAddr::V6(v6) => Self { is_v6: true, number: u128::from(v6) },
        })
    }
}

impl Net {
    /// A CIDR, or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let address = Address::parse(address)?;
        let bits = if address.is_v6 { 128 } else { 32 };
        let length: u8 = length.map_or(Some(bits), |l| l.parse().ok())?;
        let free = bits.checked_sub(length)?;
        let mask = if free == 128 { u128::MAX } else { (1_u128 << free) - 1 };
        let first = address.number & !mask;
        Some(Self { is_v6: address.is_v6, first, last: first | mask, length })
    }

    pub fn has(&self, address: Address) -> bool {
        self.is_v6 == address.is_v6 && self.first <= address.number && address.number <= self.last
    }
}

impl std::fmt::Display for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_v6 {
            write!(f, "{}/{}", std::net::Ipv6Addr::from(self.first), self.length)
        } else {
            let v4 = u32::try_from(self.first).expect("an IPv4 address has 32 bits");
            write!(f, "{}/{}", std::net::Ipv4Addr::from(v4), self.length)
        }
    }
}
