//! CIDRs in the neighbourhood of the few sources that questions are asked about.

use super::super::net::Net;
use super::super::random::Random;

pub struct Focus {
    public: Vec<&'static str>,
    private: Vec<&'static str>,
}

impl Focus {
    pub fn new(random: &mut Random, region: &str) -> Self {
        let service = match region {
            "eu-north-1" => ["13.48.4.200/30", "2a05:d016:494:f00::/56"],
            "us-east-1" => ["18.206.107.24/29", "2600:1f18:6fe3:8c00::/56"],
            _ => ["18.202.216.48/29", "2a05:d018:403:4e00::/56"],
        };
        let mut public = service.to_vec();
        public.push(random.pick(&["203.0.113.7/32", "203.0.113.8/29", "203.0.113.0/24"]));
        public.push(random.pick(&["2001:db8:77::9/128", "2001:db8:77::/64"]));
        let v4 = [
            "10.0.1.77/32",
            "10.0.1.64/28",
            "10.0.2.9/32",
            "10.0.0.0/22",
            "192.168.8.0/24",
            "10.9.0.4/32",
            "172.20.0.0/16",
        ];
        let v6 = ["2001:db8:12:3401::4:0/112", "2001:db8:12:3402::5/128", "2001:db8:99::/64"];
        let private = vec![random.pick(&v4), random.pick(&v4), random.pick(&v6)];
        Self { public, private }
    }

    pub fn public_source(&self, random: &mut Random) -> String {
        let one = random.pick(&self.public);
        around(random, one, 6)
    }

    pub fn private_source(&self, random: &mut Random) -> String {
        let one = random.pick(&self.private);
        around(random, one, 6)
    }

    /// A CIDR that has to do with a source of this family, most of the time.
    pub fn near(&self, random: &mut Random, is_v6: bool) -> String {
        let of_family: Vec<&str> =
            self.public.iter().chain(&self.private).copied().filter(|text| text.contains(':') == is_v6).collect();
        let one = random.pick(&of_family);
        around(random, one, 3)
    }
}

/// Once in `odds` each: everything, a wider one, a half, the neighbour; otherwise itself.
fn around(random: &mut Random, text: &str, odds: usize) -> String {
    let net = Net::parse(text).unwrap();
    let bits: u8 = if net.is_v6 { 128 } else { 32 };
    let with = |first: u128, length: u8| {
        let start = if net.is_v6 {
            std::net::Ipv6Addr::from(first).to_string()
        } else {
            std::net::Ipv4Addr::from(u32::try_from(first).unwrap()).to_string()
        };
        Net::parse(&format!("{start}/{length}")).unwrap().to_string()
    };
    if random.one_in(odds * 2) {
        return with(0, random.pick(&[0, 0, 0, 1]));
    }
    if random.one_in(odds) {
        return with(net.first, net.length - net.length.min(1 + u8::try_from(random.below(9)).unwrap()));
    }
    if random.one_in(odds) && net.length < bits {
        let half = with(net.first, net.length + 1);
        let is_second = random.one_in(2);
        return if is_second { with(Net::parse(&half).unwrap().last + 1, net.length + 1) } else { half };
    }
    if random.one_in(odds * 2) {
        let size = net.last - net.first + 1;
        return with(net.first ^ size, net.length);
    }
    with(net.first, net.length)
}
