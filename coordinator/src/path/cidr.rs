//! Sets of addresses, built once from CIDRs and then asked without allocation.

use std::net::IpAddr;

use ipnet::IpNet;

/// How much of something a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    All,
    Partial,
    None,
}

impl Cover {
    /// The cover of two parts taken together.
    pub fn and(self, other: Cover) -> Cover {
        if self == other { self } else { Cover::Partial }
    }
}

/// Addresses of both families as sorted, disjoint, inclusive ranges. IPv4 never holds IPv6 and the reverse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressSet {
    v4: Ranges,
    v6: Ranges,
}

pub type Range = (u128, u128);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ranges(Vec<Range>);

impl AddressSet {
    pub fn is_empty(&self) -> bool {
        self.v4.0.is_empty() && self.v6.0.is_empty()
    }

    pub fn add(&mut self, net: IpNet) {
        self.family_mut(&net).add(range(&net));
    }

    pub fn add_all(&mut self, other: &AddressSet) {
        for range in &other.v4.0 {
            self.v4.add(*range);
        }
        for range in &other.v6.0 {
            self.v6.add(*range);
        }
    }

    /// Takes `taken` out and returns what of it was there.
    pub fn take(&mut self, taken: &AddressSet) -> AddressSet {
        AddressSet { v4: self.v4.take(&taken.v4), v6: self.v6.take(&taken.v6) }
    }

    /// How much of `net` is in the set.
    pub fn cover(&self, net: &IpNet) -> Cover {
        self.family(net).cover(range(net))
    }

    /// How much of another set is in this one; nothing at all of an empty one.
    pub fn cover_set(&self, other: &AddressSet) -> Cover {
        let v4 = other.v4.0.iter().map(|range| self.v4.cover(*range));
        let v6 = other.v6.0.iter().map(|range| self.v6.cover(*range));
        v4.chain(v6).reduce(Cover::and).unwrap_or(Cover::None)
    }

    /// How much of several CIDRs is in the set; nothing at all of none.
    pub fn cover_all(&self, nets: &[IpNet]) -> Cover {
        nets.iter().map(|net| self.cover(net)).reduce(Cover::and).unwrap_or(Cover::None)
    }

    fn family(&self, net: &IpNet) -> &Ranges {
        match net {
            IpNet::V4(_) => &self.v4,
            IpNet::V6(_) => &self.v6,
        }
    }

    fn family_mut(&mut self, net: &IpNet) -> &mut Ranges {
        match net {
            IpNet::V4(_) => &mut self.v4,
            IpNet::V6(_) => &mut self.v6,
        }
    }
}

impl<'a> FromIterator<&'a IpNet> for AddressSet {
    fn from_iter<T: IntoIterator<Item = &'a IpNet>>(nets: T) -> Self {
        let mut set = Self::default();
        for net in nets {
            set.add(*net);
        }
        set
    }
}

impl Ranges {
    fn add(&mut self, (mut from, mut to): Range) {
        // Everything that overlaps or touches melts into one range.
        let first = self.0.partition_point(|known| known.1 < from && known.1.saturating_add(1) < from);
        let mut last = first;
        while let Some(known) = self.0.get(last).filter(|known| known.0 <= to.saturating_add(1)) {
            (from, to) = (from.min(known.0), to.max(known.1));
            last += 1;
        }
        self.0.splice(first..last, [(from, to)]);
    }

    fn take(&mut self, taken: &Ranges) -> Ranges {
        let (mut left, mut gone) = (Vec::with_capacity(self.0.len() + taken.0.len()), Vec::new());
        for &(mut from, to) in &self.0 {
            let mut is_used_up = false;
            for &(taken_from, taken_to) in &taken.0 {
                if taken_to < from || taken_from > to {
                    continue;
                }
                if taken_from > from {
                    left.push((from, taken_from - 1));
                }
                gone.push((from.max(taken_from), to.min(taken_to)));
                if taken_to >= to {
                    is_used_up = true;
                    break;
                }
                from = taken_to + 1;
            }
            if !is_used_up {
                left.push((from, to));
            }
        }
        self.0 = left;
        Ranges(gone)
    }

    fn cover(&self, (from, to): Range) -> Cover {
        let first = self.0.partition_point(|known| known.1 < from);
        match self.0.get(first) {
            Some(known) if known.0 <= from && to <= known.1 => Cover::All,
            Some(known) if known.0 <= to => Cover::Partial,
            _ => Cover::None,
        }
    }
}

/// The first and the last address, as numbers.
pub fn range(net: &IpNet) -> Range {
    match net {
        IpNet::V4(net) => {
            let address = u32::from(net.addr());
            let free = u32::MAX.checked_shr(u32::from(net.prefix_len())).unwrap_or(0);
            (u128::from(address & !free), u128::from(address | free))
        }
        IpNet::V6(net) => {
            let address = u128::from(net.addr());
            let free = u128::MAX.checked_shr(u32::from(net.prefix_len())).unwrap_or(0);
            (address & !free, address | free)
        }
    }
}

/// Whether the two are of one family.
pub fn is_same_family(net: &IpNet, address: IpAddr) -> bool {
    matches!((net, address), (IpNet::V4(_), IpAddr::V4(_)) | (IpNet::V6(_), IpAddr::V6(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn set(nets: &[&str]) -> AddressSet {
        let nets: Vec<IpNet> = nets.iter().map(|text| net(text)).collect();
        nets.iter().collect()
    }

    #[test]
    fn two_halves_cover_the_whole_and_one_covers_a_part() {
        let whole = net("203.0.113.0/24");
        assert_eq!(set(&["203.0.113.0/25", "203.0.113.128/25"]).cover(&whole), Cover::All);
        assert_eq!(set(&["203.0.113.128/25"]).cover(&whole), Cover::Partial);
        assert_eq!(set(&["198.51.100.0/24"]).cover(&whole), Cover::None);
        assert_eq!(set(&["0.0.0.0/0"]).cover(&whole), Cover::All);
        assert_eq!(AddressSet::default().cover(&whole), Cover::None);
    }

    #[test]
    fn one_family_never_covers_the_other() {
        assert_eq!(set(&["0.0.0.0/0"]).cover(&net("2001:db8::/32")), Cover::None);
        assert_eq!(set(&["::/0"]).cover(&net("10.0.0.0/8")), Cover::None);
        assert_eq!(set(&["::/0"]).cover(&net("2001:db8::/32")), Cover::All);
        assert_eq!(set(&["::/0", "0.0.0.0/0"]).cover_all(&[net("::1/128"), net("10.0.0.1/32")]), Cover::All);
        assert_eq!(set(&["::/0"]).cover_all(&[net("::1/128"), net("10.0.0.1/32")]), Cover::Partial);
    }

    #[test]
    fn what_is_taken_is_gone_and_comes_back_as_what_it_was() {
        let mut set = set(&["10.0.0.0/8", "2001:db8::/32"]);
        let gone = set.take(&super::tests::set(&["10.1.0.0/16", "192.168.0.0/16"]));
        assert_eq!(gone, super::tests::set(&["10.1.0.0/16"]));
        assert_eq!(set.cover(&net("10.1.2.3/32")), Cover::None);
        assert_eq!(set.cover(&net("10.0.0.0/15")), Cover::Partial);
        assert_eq!(set.cover(&net("10.2.0.0/16")), Cover::All);
        assert_eq!(set.cover(&net("2001:db8:1::/48")), Cover::All);
        assert_eq!(set.take(&super::tests::set(&["0.0.0.0/0", "::/0"])).cover(&net("10.0.0.0/16")), Cover::All);
        assert!(set.is_empty());
    }

    #[test]
    fn the_ends_of_both_families_do_not_overflow() {
        let mut all = set(&["::/0", "0.0.0.0/0", "255.255.255.255/32"]);
        all.add(net("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"));
        all.add(net("::/128"));
        assert_eq!(all.cover(&net("::/0")), Cover::All);
        assert_eq!(all.take(&set(&["255.255.255.255/32"])), set(&["255.255.255.255/32"]));
        assert_eq!(all.cover(&net("0.0.0.0/0")), Cover::Partial);
    }
}
