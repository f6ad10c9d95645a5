//! An image's bytes as a stream: counted, uncompressed by what their beginning says.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use netyard_core::image::Kind;
use netyard_core::image::kind::{self, HEAD};
use rustix::io::Errno;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::Step;
use crate::error::{Error, ErrorKind};

/// After how many bytes it is told how far it is.
const TOLD_EVERY: u64 = 4 << 20;
/// What xz may take to uncompress, in KiB; its largest preset takes 65 MiB.
const XZ_MEMORY: u32 = 256 << 10;
/// The window that zstd may take, in bytes; its largest usual one.
const ZSTD_WINDOW: u64 = 128 << 20;

/// A file that is read from its beginning, and says how far it is.
pub struct Source<'a> {
    file: File,
    at: u64,
    length: u64,
    told_at: u64,
    what: &'static str,
    told: &'a mut dyn FnMut(Step),
}

impl<'a> Source<'a> {
    /// Reads `file`; `what` is done with it.
    pub fn new(file: File, what: &'static str, told: &'a mut dyn FnMut(Step)) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, at: 0, length, told_at: 0, what, told })
    }
}

impl Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        if read == 0 || self.at - self.told_at >= TOLD_EVERY {
            self.told_at = self.at;
            (self.told)(Step { what: self.what, done: self.at, of: Some(self.length) });
        }
        Ok(read)
    }
}

/// What a stream is after it was uncompressed, and whether it had to be.
pub struct Opened<'a> {
    /// The stream, from its beginning.
    pub stream: Box<dyn Read + 'a>,
    /// What it is.
    pub kind: Option<Kind>,
    /// It is not what is in the file.
    pub compressed: bool,
}

/// Opens a stream, uncompressed.
pub fn open(source: Source<'_>) -> io::Result<Opened<'_>> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    let head = kind::of(source.fill_buf()?);
    let mut stream: Box<dyn Read> = match head {
        Some(Kind::Gzip) => Box::new(Gunzip::new(source)),
        Some(Kind::Zstd) => Box::new(Unzstd::new(source)),
        Some(Kind::Xz) => Box::new(lzma_rust2::XzReader::new_mem_limit(source, true, XZ_MEMORY)),
        kind => {
            return Ok(Opened { stream: Box::new(source), kind, compressed: false });
        }
    };
    let mut beginning = Vec::new();
    stream.by_ref().take(HEAD as u64).read_to_end(&mut beginning)?;
    let kind = kind::of(&beginning);
    let stream = Box::new(Cursor::new(beginning).chain(stream));
    Ok(Opened { stream, kind, compressed: true })
}

/// Why an image cannot be read to its end.
pub fn broken(source: &Path, error: &io::Error) -> Error {
    let source = source.display();
    if let Some(errno) = Errno::from_io_error(error) {
        return Error::system(format!("could not read the image `{source}`"), errno);
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return cut_off(&source.to_string());
    }
    Error::new(ErrorKind::State, format!("the image `{source}` is damaged: {error}"))
        .hint("get it again, and compare its checksum with the published one")
}

/// An image that ends before it is over.
pub fn cut_off(source: &str) -> Error {
    Error::new(ErrorKind::State, format!("the image `{source}` ends in the middle: it was cut off"))
        .hint("get it again; a download was not finished")
}

/// What gzip made, in one piece or several. What follows it and is none of its
/// pieces is not looked at: firmware images have a signature there.
struct Gunzip<R: BufRead> {
    decoder: Option<flate2::bufread::GzDecoder<R>>,
    /// How much came out of the piece that is read.
    out: u64,
    pieces: u64,
}

impl<R: BufRead> Gunzip<R> {
    fn new(source: R) -> Self {
        let decoder = Some(flate2::bufread::GzDecoder::new(source));
        Self { decoder, out: 0, pieces: 0 }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            match decoder.read(into) {
                Ok(0) if !into.is_empty() => {}
                // No further piece after all.
                Err(error)
                    if self.pieces > 0
                        && self.out == 0
                        && error.kind() == io::ErrorKind::InvalidInput =>
                {
                    self.decoder = None;
                    break;
                }
                read => {
                    let read = read?;
                    self.out += read as u64;
                    return Ok(read);
                }
            }
            let mut source = self.decoder.take().map(flate2::bufread::GzDecoder::into_inner);
            if let Some(mut source) = source.take()
                && source.fill_buf()?.first() == Some(&0x1f)
            {
                self.decoder = Some(flate2::bufread::GzDecoder::new(source));
                self.out = 0;
                self.pieces += 1;
            }
        }
        Ok(0)
    }
}

/// What zstd made: frames, and some to skip.
struct Unzstd<R: BufRead> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Unzstd<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW);
        Self { source, decoder, in_frame: false }
    }

    /// Begins the next frame; false where there is none.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(self.broken(error)),
            }
        }
        Ok(false)
    }

    /// An end that came too early is one; the rest is damage.
    fn broken(&mut self, error: FrameDecoderError) -> io::Error {
        match self.source.fill_buf() {
            Ok([]) => io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
            Err(error) => error,
        }
    }
}

impl<R: BufRead> Read for Unzstd<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame && !self.next_frame()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                if let Err(error) = self.decoder.decode_blocks(&mut self.source, one) {
                    return Err(self.broken(error));
                }
            }
            let read = self.decoder.read(into)?;
            if read > 0 {
                return Ok(read);
            }
            self.in_frame = false;
            let said = self.decoder.get_checksum_from_data();
            if said.is_some() && said != self.decoder.get_calculated_checksum() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum is another"));
            }
        }
    }
}
