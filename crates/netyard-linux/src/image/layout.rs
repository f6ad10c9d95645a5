//! OCI layouts: the layers of an image, one over the other.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use netyard_core::image::Kind;
use netyard_core::image::oci::{self, Descriptor, INDEX, Index, MARK, Manifest, Run};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use sha2::{Digest, Sha256};

use super::Step;
use super::archive;
use super::stream::{self, Source, broken};
use super::tree::Tree;
use crate::error::{Error, ErrorKind};

/// The most bytes of an index, a manifest, a configuration.
const LONGEST: u64 = 4 << 20;
/// The most indices that lead to one another.
const DEEPEST: usize = 4;

/// A layout in a directory.
pub struct Layout<'a> {
    directory: &'a File,
    source: &'a Path,
}

/// True for a directory that is a layout.
pub fn is_layout(directory: &File) -> bool {
    [MARK, INDEX].iter().all(|name| open(directory, name).is_ok())
}

/// Opens a file of a layout, which must be in it.
fn open(directory: &File, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(directory, name, flags, Mode::empty(), inside)?.into())
}

impl<'a> Layout<'a> {
    /// The layout in a directory; `source` is what the user calls it.
    pub fn new(directory: &'a File, source: &'a Path) -> Self {
        Self { directory, source }
    }

    /// Unpacks the image for this machine into the tree; how it is run.
    pub fn unpack(&self, tree: &mut Tree, told: &mut dyn FnMut(Step)) -> Result<Run, Error> {
        let manifest = self.manifest()?;
        let run = oci::run(&self.small(&manifest.config)?);
        for layer in &manifest.layers {
            let blob = self.verified(layer)?;
            let source = Source::new(blob, "unpacking a layer", told)
                .map_err(|error| broken(self.source, &error))?;
            let mut opened = stream::open(source).map_err(|error| broken(self.source, &error))?;
            match opened.kind {
                Some(Kind::Tar) => archive::unpack(&mut opened.stream, self.source, true, tree)?,
                // A layer in which nothing is: two blocks of zeros.
                None if self.is_empty(&mut opened.stream)? => {}
                _ => {
                    return Err(
                        self.wrong(&format!("its layer `{}` is no tar archive", layer.digest))
                    );
                }
            }
        }
        run.map_err(|error| self.wrong(&format!("its configuration is damaged: {error}")))
    }

    fn is_empty(&self, stream: &mut dyn Read) -> Result<bool, Error> {
        let mut all = Vec::new();
        stream.take(LONGEST).read_to_end(&mut all).map_err(|error| broken(self.source, &error))?;
        Ok((all.len() as u64) < LONGEST && all.iter().all(|byte| *byte == 0))
    }

    fn manifest(&self) -> Result<Manifest, Error> {
        let mut index = self.index(&self.read(INDEX)?)?;
        for _ in 0..DEEPEST {
            let chosen = index.choose(architecture()).map_err(|why| self.wrong(&why))?;
            let text = self.small(chosen)?;
            if !chosen.is_index() {
                return oci::manifest(&text)
                    .map_err(|error| self.wrong(&format!("its manifest is damaged: {error}")));
            }
            index = self.index(&text)?;
        }
        Err(self.wrong("its indices lead to one another without an end"))
    }

    fn index(&self, text: &[u8]) -> Result<Index, Error> {
        oci::index(text).map_err(|error| self.wrong(&format!("its index is damaged: {error}")))
    }

    fn wrong(&self, what: &str) -> Error {
        let what = format!("the OCI layout `{}`: {what}", self.source.display());
        Error::new(ErrorKind::State, what)
            .hint("get it again: `skopeo copy docker://NAME oci:DIRECTORY` makes one")
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let file = open(self.directory, name).map_err(|error| self.missing(name, error))?;
        let mut text = Vec::new();
        let read = file.take(LONGEST).read_to_end(&mut text);
        read.map_err(|error| self.missing(name, error))?;
        Ok(text)
    }

    fn missing(&self, name: &str, error: io::Error) -> Error {
        let what = format!("could not read `{name}` of the OCI layout `{}`", self.source.display());
        Error::system(what, error).hint("it was not copied whole; get it again")
    }

    fn small(&self, blob: &Descriptor) -> Result<Vec<u8>, Error> {
        if blob.size > LONGEST {
            return Err(self.wrong(&format!("`{}` is larger than such a thing is", blob.digest)));
        }
        let mut text = Vec::new();
        let read = self.verified(blob)?.take(LONGEST).read_to_end(&mut text);
        read.map_err(|error| self.missing(&blob.digest, error))?;
        Ok(text)
    }

    /// A blob that is what its digest says, to be read from its beginning.
    fn verified(&self, blob: &Descriptor) -> Result<File, Error> {
        let Some(path) = blob.path() else {
            return Err(self.wrong(&format!("`{}` is no SHA-256 digest", blob.digest)));
        };
        let failed = |error| self.missing(&path, error);
        let file = open(self.directory, &path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if size != blob.size {
            let what =
                format!("`{}` is of {size} bytes, and should be of {}", blob.digest, blob.size);
            return Err(self.wrong(&what));
        }
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut reader = &file;
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => digest.update(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if blob.sha256() != Some(&found) {
            return Err(self.wrong(&format!("`{}` is not what its digest says", blob.digest)));
        }
        io::Seek::rewind(&mut reader).map_err(failed)?;
        Ok(file)
    }
}

/// What Go calls this machine's processor.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}
