//! Root file systems out of images: directories, disks, archives, OCI layouts.
//!
//! [`unpack`] makes a directory of an image, whole or not at all: all is done in a
//! sibling with a name of its own, which becomes the directory by one rename at
//! the end. Nothing is mounted, no loop device is taken, and root is not needed:
//! what only root may set (owners, above all) is told instead.
//!
//! Images come from strangers. No name in one leads out of the directory, neither
//! by `..` nor through a symbolic link; no device is ever made; nothing is read
//! into memory that may be large; and a file system is not filled to its brim.

mod archive;
mod disk;
mod layout;
mod log;
mod place;
mod stream;
mod template;
mod tree;

use std::fs::File;
use std::path::{Path, PathBuf};

use netyard_core::image::Kind;
use netyard_core::image::oci::Run;
use rustix::fs::{Mode, OFlags};

use crate::error::{Error, ErrorKind};
use layout::Layout;
pub(crate) use log::Log;
use place::Place;
use stream::{Opened, Source, broken};
use tree::Tree;

/// What became of an image.
#[derive(Debug, Default)]
pub struct Unpacked {
    /// What the image is: `directory`, `tar archive`, …
    pub kind: &'static str,
    /// Names that were made.
    pub entries: u64,
    /// Bytes of content that were written.
    pub bytes: u64,
    /// What the image has and the directory has not, sorted by path.
    pub left_out: Vec<LeftOut>,
    /// How it is run, where the image says that.
    pub run: Option<Run>,
}

/// Something of an image that could not be, or must not be, in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// The name in the image, relative to its root.
    pub path: PathBuf,
    /// What is missing of it.
    pub what: Missing,
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The owner and the group, which this user may not give away.
    Owner {
        /// The owner in the image.
        uid: u32,
        /// The group in the image.
        gid: u32,
    },
    /// A device that a container's own `/dev` has; it is not made.
    Device,
    /// A socket: it would be nobody's.
    Socket,
    /// An extended attribute that this user or file system may not have, or that
    /// is the policy of another machine.
    Attribute(String),
    /// What is mounted there.
    Mount,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What is done: `uncompressing`, `copying`.
    pub what: &'static str,
    /// Bytes of the source that are done.
    pub done: u64,
    /// Bytes of the source, where it is known.
    pub of: Option<u64>,
}

/// What is asked for beside the image itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// The partition of a disk, where it holds more than one root file system.
    pub partition: Option<u32>,
}

/// Makes the directory `into` of the image `source`, which is told by its content:
/// a directory (a template), a disk, a tar archive, an OCI layout.
///
/// `into` must not be there; the directory it is in must. `told` hears how far it is.
///
/// # Errors
/// When the image cannot be read, is damaged or cut off, is of no known kind, wants
/// to be outside of `into`, or has no room. Then nothing of it is left.
pub fn unpack(
    source: &Path,
    into: &Path,
    wish: Wish,
    told: &mut dyn FnMut(Step),
) -> Result<Unpacked, Error> {
    unpack_and_note(source, into, wish, told, &mut |_| Ok(()))
}

/// The same; `noted` hears what became of the image when all is there but the name
/// `into`.
///
/// # Errors
/// As [`unpack`], and when noting fails.
pub(crate) fn unpack_and_note(
    source: &Path,
    into: &Path,
    wish: Wish,
    told: &mut dyn FnMut(Step),
    noted: &mut dyn FnMut(&Unpacked) -> std::io::Result<()>,
) -> Result<Unpacked, Error> {
    let (image, is_directory) = open(source)?;
    let mut place = Place::take(into)?;
    let made = if is_directory {
        of_directory(&image, source, &place, told)?
    } else {
        of_file(image, source, wish, &mut place, told)?
    };
    noted(&made).map_err(|error| Error::system("could not note how the image is run", error))?;
    place.become_whole()?;
    Ok(made)
}

fn of_directory(
    image: &File,
    source: &Path,
    place: &Place,
    told: &mut dyn FnMut(Step),
) -> Result<Unpacked, Error> {
    let mut tree = Tree::new(place.directory(), source)?;
    if layout::is_layout(image) {
        let run = Layout::new(image, source).unpack(&mut tree, told)?;
        return Ok(Unpacked { kind: "OCI layout", run: Some(run), ..tree.finish()? });
    }
    if place.is_within(image) {
        let what = format!("`{}` is inside of its own template", place.name().display());
        return Err(Error::new(ErrorKind::State, what).hint("name a directory outside of it"));
    }
    template::copy(image, source, &mut tree, told)?;
    Ok(Unpacked { kind: "directory", ..tree.finish()? })
}

fn of_file(
    image: File,
    source: &Path,
    wish: Wish,
    place: &mut Place,
    told: &mut dyn FnMut(Step),
) -> Result<Unpacked, Error> {
    let unreadable = |error| broken(source, &error);
    let file = image.try_clone().map_err(unreadable)?;
    let counted = Source::new(image, "reading", told).map_err(unreadable)?;
    let Opened { mut stream, kind, compressed } = stream::open(counted).map_err(unreadable)?;
    match kind {
        Some(Kind::Tar) => {
            let mut tree = Tree::new(place.directory(), source)?;
            archive::unpack(&mut stream, source, false, &mut tree)?;
            drop(stream);
            of_archive(tree, source, place, told)
        }
        Some(kind @ (Kind::Disk | Kind::Ext4)) => {
            let disk = match compressed {
                true => disk::spill(&mut stream, source, place.beside())?,
                false => file,
            };
            drop(stream);
            let mut tree = Tree::new(place.directory(), source)?;
            let table = kind == Kind::Disk;
            disk::copy(&disk, table, source, wish, &mut tree, told)?;
            let kind = if table { "disk" } else { "ext4 file system" };
            Ok(Unpacked { kind, ..tree.finish()? })
        }
        Some(Kind::Foreign(foreign)) => {
            let (what, hint) = foreign.told();
            let what = format!("`{}` is {what}, which netyard does not read", source.display());
            Err(Error::new(ErrorKind::State, what).hint(hint))
        }
        Some(Kind::Gzip | Kind::Xz | Kind::Zstd) | None => Err(unknown(source)),
    }
}

/// An archive is a root file system, or a layout that holds one.
fn of_archive(
    tree: Tree,
    source: &Path,
    place: &mut Place,
    told: &mut dyn FnMut(Step),
) -> Result<Unpacked, Error> {
    if !layout::is_layout(place.directory()) {
        let looks_like_docker =
            tree.names(Path::new(""))?.iter().any(|name| name == "manifest.json");
        let done = tree.finish()?;
        if looks_like_docker && done.entries < 10_000 {
            let what = format!("`{}` is what `docker save` of old wrote", source.display());
            return Err(Error::new(ErrorKind::State, what).hint(format!(
                "`skopeo copy docker-archive:{} oci:DIRECTORY` makes a layout of it",
                source.display()
            )));
        }
        return Ok(Unpacked { kind: "tar archive", ..done });
    }
    drop(tree);
    // The layout stands where its root file system is to be: it makes room.
    let layout = place.begin_again()?;
    let mut tree = Tree::new(place.directory(), source)?;
    let run = Layout::new(&layout, source).unpack(&mut tree, told)?;
    Ok(Unpacked { kind: "OCI layout", run: Some(run), ..tree.finish()? })
}

/// Opens the image; whether it is a directory.
fn open(source: &Path) -> Result<(File, bool), Error> {
    let what = || format!("could not read the image `{}`", source.display());
    // Not to wait for a writer of a pipe.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened = rustix::fs::open(source, flags, Mode::empty());
    let file = File::from(opened.map_err(|errno| Error::system(what(), errno))?);
    let kind = file.metadata().map_err(|error| Error::system(what(), error))?.file_type();
    if !kind.is_dir() && !kind.is_file() {
        let what = format!("the image `{}` is neither a file nor a directory", source.display());
        return Err(Error::new(ErrorKind::State, what)
            .hint("copy what it holds into a file, and name that"));
    }
    Ok((file, kind.is_dir()))
}

fn unknown(source: &Path) -> Error {
    let what = format!("`{}` is no image of a kind that netyard knows", source.display());
    Error::new(ErrorKind::State, what).hint(
        "known are directories, disks with an ext4 root, ext4 file systems, tar archives and OCI \
         layouts, each also compressed by gzip, xz or zstd",
    )
}
