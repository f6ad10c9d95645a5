//! Taking a yard down and knowing when nothing of it is left.

use super::space::{Space, enter, here, unmount_all};
use super::wire::{Batch, End, Socket};
use super::{Shape, Yard};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// The link of the sentinel in our own namespace.
const SENTINEL: u32 = 999_999;
const LO: u32 = 1;

/// Removes everything; nothing is left on return.
///
/// # Errors
/// What the kernel said.
pub fn down(shape: Shape, yard: Yard) -> io::Result<()> {
    let Yard { nodes, centre, mounted } = yard;
    let sentinel = Sentinel::post()?;
    if let (Shape::Star, Some(fabric)) = (shape, &centre)
        && GROUP_FIRST
    {
        let mut batch = Batch::default();
        fabric.socket.run(batch.delete_group(), 1)?;
    }
    if mounted {
        unmount_all()?;
    }
    drop(centre);
    drop(nodes);
    sentinel.relieve()
}

/// Whether a star deletes the links of its fabric before its namespaces go.
const GROUP_FIRST: bool = false;

/// Time the kernel still needs for namespaces dropped before this call.
///
/// # Errors
/// What the kernel said.
pub fn drain() -> io::Result<Duration> {
    let start = Instant::now();
    let sentinel = Sentinel::post()?;
    sentinel.relieve()?;
    Ok(start.elapsed())
}

/// A namespace whose death is announced in ours; see the module above.
struct Sentinel {
    space: Space,
    ear: Socket,
    control: Socket,
}

impl Sentinel {
    fn post() -> io::Result<Sentinel> {
        let home = here()?;
        let space = Space::enter_new()?;
        enter(home.as_fd())?;
        let (ear, control) = (Socket::open()?, Socket::open()?);
        ear.listen()?;
        let mut batch = Batch::default();
        let near = End { name: "nyb-sentinel", index: SENTINEL, space: None };
        let far = End { name: "far", index: 2, space: Some(space.number()) };
        control.run(batch.veth(&near, None, &far), 1)?;
        Ok(Sentinel { space, ear, control })
    }

    /// Drops the namespace and waits until it and all dropped before it are gone.
    fn relieve(self) -> io::Result<()> {
        drop(self.space);
        self.ear.await_deleted(SENTINEL)?;
        // The batch is over when the rtnl lock is free.
        let mut batch = Batch::default();
        self.control.run(batch.up(LO), 1)
    }
}
