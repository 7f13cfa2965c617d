//! How many connections each client has open, so that none can take them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use parking_lot::Mutex;

/// The clients with open connections. Its size is bounded by that of all connections.
pub(super) struct Clients {
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

impl Clients {
    /// So many connections for each.
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Mutex::default() }
    }

    /// One more connection of a client, unless it has its share already.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Share<'_>> {
        let client = client(address);
        let mut open = self.open.lock();
        let count = open.entry(client).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { clients: self, client })
    }
}

/// Whoever has one address of IPv6 has all of its /64.
fn client(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
        address => address,
    }
}

/// One connection of a client, for as long as this lives.
pub(super) struct Share<'a> {
    clients: &'a Clients,
    client: IpAddr,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut open = self.clients.open.lock();
        if let Some(count) = open.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Clients;

    #[test]
    fn each_client_has_its_share() {
        let clients = Clients::new(2);
        let admit = |address: &str| clients.admit(address.parse().expect("an address"));
        let first = admit("192.0.2.1");
        let second = admit("::ffff:192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(admit("192.0.2.1").is_none(), "one more than its share");
        assert!(admit("192.0.2.2").is_some(), "another client has its own");
        drop(first);
        assert!(admit("192.0.2.1").is_some(), "a closed connection is given back");
        let network = [admit("2001:db8::1"), admit("2001:db8::2"), admit("2001:db8::3")];
        assert_eq!(network.iter().flatten().count(), 2, "a /64 is one client");
        assert!(admit("2001:db8:0:1::1").is_some());
        drop((second, network));
        assert!(clients.open.lock().is_empty(), "who has left is forgotten");
    }
}
