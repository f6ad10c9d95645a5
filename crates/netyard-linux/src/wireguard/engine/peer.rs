//! The other end of a tunnel, and the session with it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use boringtun::noise::Tunn;
use boringtun::x25519::{PublicKey, StaticSecret};
use netyard_core::state::TunnelPeer;

/// How long a session may be silent before its endpoint's name is looked up again.
const SILENT: Duration = Duration::from_secs(135);
/// How often a name is looked up at most.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// A peer.
pub(super) struct Peer {
    /// What the file says of it.
    pub spec: TunnelPeer,
    /// The session.
    pub session: Tunn,
    /// What its sessions are numbered by, in their upper 24 bits.
    pub index: u32,
    /// Where it was heard of last, or is said to be.
    pub endpoint: Option<SocketAddr>,
    /// Packets that could not be read or written.
    pub errors: u64,
    preshared: Option<[u8; 32]>,
    asked: Option<Instant>,
    born: Instant,
}

impl Peer {
    pub fn new(
        spec: TunnelPeer,
        secret: StaticSecret,
        preshared: Option<[u8; 32]>,
        index: u32,
        endpoint: Option<SocketAddr>,
    ) -> Self {
        let public = PublicKey::from(*spec.public_key.bytes());
        let keepalive = Some(spec.keepalive).filter(|&seconds| seconds > 0);
        let session = Tunn::new(secret, public, preshared, keepalive, index, None);
        let said = spec.endpoint.as_deref().and_then(|text| text.parse().ok());
        let endpoint = said.or(endpoint);
        let born = Instant::now();
        Self { spec, session, index, endpoint, errors: 0, preshared, asked: None, born }
    }

    /// True when what it will be needs no new session.
    pub fn keeps_session(&self, spec: &TunnelPeer, preshared: Option<[u8; 32]>) -> bool {
        self.spec.keepalive == spec.keepalive && self.preshared == preshared
    }

    /// Takes what the file says now; where it has roamed to it stays, unless the
    /// file has another endpoint for it.
    pub fn renew(&mut self, spec: TunnelPeer) {
        if self.spec.endpoint != spec.endpoint {
            self.asked = None;
            if let Some(said) = spec.endpoint.as_deref().and_then(|text| text.parse().ok()) {
                self.endpoint = Some(said);
            }
        }
        self.spec = spec;
    }

    /// It was heard from there.
    pub fn roam(&mut self, from: SocketAddr) {
        self.endpoint = Some(from);
    }

    /// Its name leads there now.
    pub fn move_to(&mut self, found: SocketAddr) {
        self.endpoint = Some(found);
    }

    /// The name that is to be looked up: at first, and when nothing was heard for
    /// long.
    pub fn wants_resolving(&mut self) -> Option<String> {
        let name = self.spec.endpoint.as_ref()?;
        if name.parse::<SocketAddr>().is_ok() {
            return None;
        }
        let heard = self.session.stats().0.unwrap_or(self.born.elapsed());
        let needed = self.endpoint.is_none() || heard > SILENT;
        let asked = self.asked.is_some_and(|asked| asked.elapsed() < ASK_AGAIN);
        if !needed || asked {
            return None;
        }
        self.asked = Some(Instant::now());
        Some(name.clone())
    }
}
