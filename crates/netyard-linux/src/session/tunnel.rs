//! Tunnels: their keys, and what they do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use netyard_core::facts::TunnelPulse;
use netyard_core::interface::Engine;
use netyard_core::key::{KeyFact, KeyName, WgKey};
use netyard_core::state::{InterfaceId, TUNNEL_SOCKET};
use netyard_core::yard::{KeyWish, Wireguard};

use super::{Access, Session, no_thread};
use crate::error::Error;
use crate::netlink::{Protocol, Socket};
use crate::netns::Worker;
use crate::wireguard::Store;

impl Session {
    /// What tunnels do at the moment, as far as they can be asked. Call
    /// [`Self::observe`] first.
    pub fn tunnel_pulses(
        &mut self,
        ends: &[Wireguard],
    ) -> Result<BTreeMap<InterfaceId, TunnelPulse>, Error> {
        let mut pulses = BTreeMap::new();
        let mut asked = Vec::new();
        for end in ends {
            let id = end.tunnel.interface.clone();
            if end.engine == Engine::Kernel {
                asked.push(id);
                continue;
            }
            let (place, name) = end.process();
            let socket = self.shelf.dir(&place, &name).join(TUNNEL_SOCKET);
            pulses.extend(crate::wireguard::of_process(&socket).ok().map(|pulse| (id, pulse)));
        }
        if asked.is_empty() {
            return Ok(pulses);
        }
        let mut sites = self.sites.take().unwrap_or_default();
        let look = |worker: &mut Worker| {
            for id in asked {
                let Some(site) = sites.get_mut(&id.place) else { continue };
                let Ok(index) = site.names.index(&id.name) else { continue };
                let found = worker.enter(site.fd()).and_then(|()| {
                    let mut socket = Socket::open(Protocol::Generic)?;
                    crate::wireguard::pulse(&mut socket, index)
                });
                pulses.extend(found.ok().map(|pulse| (id, pulse)));
            }
            (sites, pulses)
        };
        let (sites, pulses) = Worker::run(look).map_err(no_thread)?;
        self.sites = Some(sites);
        Ok(pulses)
    }

    /// What is known of a key that the file needs; a session that changes the yard
    /// makes one of netyard's own that is not there. Files of the user's are
    /// relative to `base`.
    pub fn key(
        &mut self,
        name: &KeyName,
        wish: KeyWish,
        base: &Path,
    ) -> Result<Option<KeyFact>, Error> {
        let store = Store::new(self.shelf.secrets(), base.to_owned());
        match self.access {
            Access::Write => store.provide(name, wish).map_err(|e| not_made(name, e)),
            _ => Ok(store.look_up(name, wish)),
        }
    }

    /// Makes a private key for a guest, of whom only the public one is kept.
    pub fn invite(&mut self, name: &KeyName) -> Result<WgKey, Error> {
        let store = Store::new(self.shelf.secrets(), PathBuf::new());
        let made = crate::wireguard::keys::make().and_then(|key| {
            store.write(name, &key.public().to_string())?;
            Ok(key)
        });
        made.map_err(|e| not_made(name, e))
    }

    /// A secret of netyard's own that somebody outside must be told, too.
    pub fn secret(&mut self, name: &KeyName) -> Result<WgKey, Error> {
        let store = Store::new(self.shelf.secrets(), PathBuf::new());
        crate::wireguard::keys::read(&store.path(name)).map_err(|e| not_made(name, e))
    }
}

fn not_made(name: &KeyName, error: std::io::Error) -> Error {
    Error::system(format!("could not provide the key `{name}`"), error)
}
