//! Ranges of addresses.

use std::net::IpAddr;

/// An address and how many bits of it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `203.0.113.0/24`, `2001:db8::/32`, or an address alone. Bits behind the prefix may be set and do not count.
    ///
    /// Source: AWS, "IAM JSON policy elements: Condition operators", IP address operators; RFC 4632, RFC 4291.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = bits_of(address);
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            Some(prefix) if is_number(prefix) => prefix.parse().ok()?,
            Some(_) => return None,
            None => bits,
        };
        (prefix <= bits).then_some(Self { address, prefix })
    }

    /// Whether the address is in the range. An IPv4 address is in no range of IPv6 addresses.
    pub(super) fn contains(self, address: IpAddr) -> bool {
        let (left, right) = match (self.address, address) {
            (IpAddr::V4(left), IpAddr::V4(right)) => {
                (u128::from(left.to_bits()), u128::from(right.to_bits()))
            }
            (IpAddr::V6(left), IpAddr::V6(right)) => (left.to_bits(), right.to_bits()),
            _ => return false,
        };
        let behind = u32::from(bits_of(self.address) - self.prefix);
        let cut = |bits: u128| bits.checked_shr(behind).unwrap_or(0);
        cut(left) == cut(right)
    }

    /// Whether it is so wide that it restricts nobody in particular: less than 8 bits of IPv4, less than 32 of IPv6.
    ///
    /// Source: AWS, "Blocking public access to your Amazon S3 storage", "The meaning of 'public'".
    pub(super) fn is_wide(self) -> bool {
        match self.address {
            IpAddr::V4(_) => self.prefix < 8,
            IpAddr::V6(_) => self.prefix < 32,
        }
    }
}

const fn bits_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, proptest};

    fn contains(network: &str, address: &str) -> bool {
        Network::parse(network)
            .unwrap()
            .contains(address.parse().unwrap())
    }

    #[test]
    fn ranges_hold_what_has_their_prefix() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.0/32", "10.0.0.0", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
        ] {
            assert_eq!(contains(network, address), expected, "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/8",
            "010.0.0.1",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "::/129",
            "::/256",
            "10.0.0.0/8/8",
            "*",
            "10.*",
            "example.com",
            " 10.0.0.1",
        ] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn wide_ranges_are_known() {
        for (network, expected) in [
            ("0.0.0.0/0", true),
            ("0.0.0.0/1", true),
            ("10.0.0.0/7", true),
            ("10.0.0.0/8", false),
            ("::/0", true),
            ("2001::/31", true),
            ("2001:db8::/32", false),
        ] {
            assert_eq!(
                Network::parse(network).unwrap().is_wide(),
                expected,
                "{network}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_range_holds_the_address_it_is_made_of(bits in any::<u32>(), other in any::<u32>(), prefix in 0_u8..=32) {
            let address = IpAddr::from(bits.to_be_bytes());
            let other_address = IpAddr::from(other.to_be_bytes());
            let network = Network::parse(&format!("{address}/{prefix}")).unwrap();
            prop_assert!(network.contains(address));
            let same = u32::from(prefix);
            prop_assert!(network.contains(other_address) == ((bits ^ other).leading_zeros() >= same));
        }
    }
}
