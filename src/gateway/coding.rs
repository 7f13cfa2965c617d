//! Content codings (gzip, deflate, br, zstd), undone under a bound.
//!
//! What is judged is what comes out, and that is what is sent on, without the header: nobody behind us
//! undoes it a second time. Few bytes can stand for very many, so what comes out is bounded twice: by
//! the bound on bodies, as if they had been sent that way, and by what went in, so that holding much
//! costs sending much. What a decoder itself holds is bounded by its window: 32 KiB for gzip and
//! deflate, 8 MiB for zstd (RFC 9659), 16 MiB for br, whose larger windows are not taken.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderValue;
use thiserror::Error;
use zstd::stream::raw::{DParameter, Operation as _};

/// How many codings may lie one over the other, each once.
const MAX_LAYERS: usize = 2;
/// How many bytes may come out for each that went in. Text seldom gives more than twenty.
const MAX_RATIO: u64 = 100;
/// What may come out whatever went in.
const FREE: u64 = 1 << 20;
/// The longest distance a zstd frame may look back, as a power of two.
const ZSTD_WINDOW: u32 = 23;
/// The longest distance that gzip looks back, as a power of two.
const GZIP_WINDOW: u8 = 15;
/// The longest distance that br looks back, as a power of two.
const BROTLI_WINDOW: u32 = 24;

/// Why a body is not taken out of its codings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum CodingFault {
    /// A coding nobody here knows.
    #[error("the only content encodings read here are gzip, deflate, br and zstd")]
    Unknown,
    /// The same coding twice, or too many.
    #[error("at most {MAX_LAYERS} content encodings may lie one over the other, each once")]
    Layers,
    /// Far more comes out than went in.
    #[error("the body decodes to more than {MAX_RATIO} times its size")]
    Bomb,
    /// Not what its coding says, cut off, or with something behind its end.
    #[error("the body is not what its content encoding says, or is cut off")]
    Broken,
}

/// A body on its way out of its codings. Bytes in, bytes out.
pub(crate) struct Decoding {
    /// The outermost first.
    layers: Vec<Layer>,
    taken: u64,
    given: u64,
}

struct Layer {
    decoder: Decoder,
    ended: bool,
}

enum Decoder {
    Inflate(Decompress),
    // On the heap, for its size.
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(zstd::stream::raw::Decoder<'static>),
}

/// What a decoder did with what it was given.
struct Step {
    read: usize,
    written: usize,
    ended: bool,
}

impl Decoding {
    /// What undoes the codings that these `Content-Encoding` headers name, in the order in which they
    /// were applied.
    pub(crate) fn of<'v>(
        headers: impl IntoIterator<Item = &'v HeaderValue>,
    ) -> Result<Self, CodingFault> {
        let mut names = Vec::new();
        for header in headers {
            let header = header.to_str().map_err(|_| CodingFault::Unknown)?;
            names.extend(header.split(',').map(|name| name.trim().to_ascii_lowercase()));
        }
        names.retain(|name| !name.is_empty() && name != "identity");
        for name in &mut names {
            // RFC 9110, 8.4.1.3.
            if name == "x-gzip" {
                *name = "gzip".to_owned();
            }
        }
        let layers =
            names.iter().rev().map(|name| Layer::of(name)).collect::<Result<Vec<_>, _>>()?;
        names.sort_unstable();
        names.dedup();
        if layers.len() > MAX_LAYERS || names.len() < layers.len() {
            return Err(CodingFault::Layers);
        }
        Ok(Self { layers, taken: 0, given: 0 })
    }

    /// What the decoders may hold of what came out, so as to look back at it.
    pub(crate) fn window(&self) -> usize {
        self.layers.iter().map(Layer::window).sum()
    }

    /// Takes the next bytes of the body, and gives what comes out of them.
    pub(crate) fn push(&mut self, mut bytes: Bytes) -> Result<Bytes, CodingFault> {
        if self.layers.is_empty() {
            return Ok(bytes);
        }
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        let most = self.taken.saturating_mul(MAX_RATIO).max(FREE);
        let room = usize::try_from(most.saturating_sub(self.given)).unwrap_or(usize::MAX);
        for layer in &mut self.layers {
            bytes = Bytes::from(layer.undo(&bytes, room)?);
        }
        self.given = self.given.saturating_add(bytes.len() as u64);
        Ok(bytes)
    }

    /// Says whether the body may end here. One that never began may.
    pub(crate) fn end(&self) -> Result<(), CodingFault> {
        let ended = self.taken == 0 || self.layers.iter().all(|layer| layer.ended);
        if ended { Ok(()) } else { Err(CodingFault::Broken) }
    }
}

impl Layer {
    fn window(&self) -> usize {
        match &self.decoder {
            Decoder::Inflate(_) => 1 << GZIP_WINDOW,
            Decoder::Brotli(_) => 1 << BROTLI_WINDOW,
            Decoder::Zstd(_) => 1 << ZSTD_WINDOW,
        }
    }

    fn of(name: &str) -> Result<Self, CodingFault> {
        let decoder = match name {
            "gzip" => Decoder::Inflate(Decompress::new_gzip(GZIP_WINDOW)),
            "deflate" => Decoder::Inflate(Decompress::new(true)),
            "br" => Decoder::Brotli(Box::new(BrotliState::new_strict(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            ))),
            "zstd" => {
                let mut decoder =
                    zstd::stream::raw::Decoder::new().map_err(|_| CodingFault::Broken)?;
                decoder
                    .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW))
                    .map_err(|_| CodingFault::Broken)?;
                Decoder::Zstd(decoder)
            }
            _ => return Err(CodingFault::Unknown),
        };
        Ok(Self { decoder, ended: false })
    }

    /// What comes out of these bytes, `room` of them at most.
    fn undo(&mut self, mut rest: &[u8], room: usize) -> Result<Vec<u8>, CodingFault> {
        let mut out = Vec::new();
        let mut piece = [0; 8 << 10];
        loop {
            if self.ended {
                // A second member, or anything else that another reader might leave out.
                return if rest.is_empty() { Ok(out) } else { Err(CodingFault::Broken) };
            }
            let step = self.decoder.step(rest, &mut piece)?;
            out.extend_from_slice(piece.get(..step.written).unwrap_or_default());
            if out.len() > room {
                return Err(CodingFault::Bomb);
            }
            rest = rest.get(step.read..).unwrap_or_default();
            self.ended = step.ended;
            match (rest.is_empty(), step.read + step.written) {
                // Whatever did not fill the piece has nothing more to give.
                (true, _) if !self.ended && step.written < piece.len() => return Ok(out),
                (false, 0) => return Err(CodingFault::Broken),
                _ => {}
            }
        }
    }
}

impl Decoder {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, CodingFault> {
        match self {
            Self::Inflate(inflate) => {
                let before = (inflate.total_in(), inflate.total_out());
                let status = inflate
                    .decompress(input, output, FlushDecompress::None)
                    .map_err(|_| CodingFault::Broken)?;
                let grown = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(0);
                Ok(Step {
                    read: grown(inflate.total_in(), before.0),
                    written: grown(inflate.total_out(), before.1),
                    ended: status == Status::StreamEnd,
                })
            }
            Self::Brotli(state) => {
                let (mut left, mut read) = (input.len(), 0);
                let (mut space, mut written) = (output.len(), 0);
                let result = BrotliDecompressStream(
                    &mut left,
                    &mut read,
                    input,
                    &mut space,
                    &mut written,
                    output,
                    &mut 0,
                    state,
                );
                match result {
                    BrotliResult::ResultFailure => Err(CodingFault::Broken),
                    BrotliResult::ResultSuccess => Ok(Step { read, written, ended: true }),
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {
                        Ok(Step { read, written, ended: false })
                    }
                }
            }
            Self::Zstd(decoder) => {
                let status =
                    decoder.run_on_buffers(input, output).map_err(|_| CodingFault::Broken)?;
                Ok(Step {
                    read: status.bytes_read,
                    written: status.bytes_written,
                    ended: status.remaining == 0,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bytes::Bytes;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::{CodingFault, Decoding, FREE};

    fn encoded(coding: &str, text: &[u8]) -> Vec<u8> {
        match coding {
            "gzip" => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "deflate" => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "br" => {
                let mut out = Vec::new();
                let params = brotli::enc::BrotliEncoderParams::default();
                brotli::BrotliCompress(&mut &*text, &mut out, &params).unwrap();
                out
            }
            "zstd" => zstd::encode_all(text, 3).unwrap(),
            _ => text.to_vec(),
        }
    }

    /// Undoes the codings of a body that comes in pieces of this size.
    fn undo(header: &str, body: &[u8], piece: usize) -> Result<Vec<u8>, CodingFault> {
        let header = HeaderValue::from_str(header).unwrap();
        let mut decoding = Decoding::of([&header])?;
        let mut out = Vec::new();
        for piece in body.chunks(piece.max(1)) {
            out.extend(decoding.push(Bytes::copy_from_slice(piece))?);
        }
        decoding.end()?;
        Ok(out)
    }

    const CODINGS: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

    #[test]
    fn every_coding_and_two_of_them_are_undone() {
        let text = b"{\"model\":\"m\"} and some words, and the same words".as_slice();
        for inner in CODINGS {
            let once = encoded(inner, text);
            assert_eq!(undo(inner, &once, 1).as_deref(), Ok(text), "{inner}");
            for outer in CODINGS.into_iter().filter(|outer| *outer != inner) {
                let twice = encoded(outer, &once);
                let header = format!("{inner}, {outer}");
                assert_eq!(undo(&header, &twice, 7).as_deref(), Ok(text), "{header}");
            }
        }
        let zipped = encoded("gzip", text);
        assert_eq!(undo("identity, X-GZIP,", &zipped, 1000).as_deref(), Ok(text));
        assert_eq!(undo("identity", text, 3).as_deref(), Ok(text));
        assert_eq!(undo("gzip", b"", 1).as_deref(), Ok(b"".as_slice()), "no body at all");
    }

    #[test]
    fn codings_nobody_here_reads_are_refused() {
        for unknown in ["compress", "gzip2", "br;q=1", "gzip br", "deflate, aes128gcm", "é"] {
            assert_eq!(undo(unknown, b"x", 1), Err(CodingFault::Unknown), "{unknown}");
        }
        for layers in ["gzip, gzip", "gzip, x-gzip", "br, gzip, zstd", "zstd, gzip, zstd"] {
            assert_eq!(undo(layers, b"x", 1), Err(CodingFault::Layers), "{layers}");
        }
    }

    #[test]
    fn a_body_that_is_not_what_its_coding_says_is_refused() {
        for coding in CODINGS {
            let whole = encoded(coding, b"the words of a body");
            let cut = whole.get(..whole.len() - 1).unwrap();
            assert_eq!(undo(coding, cut, 5), Err(CodingFault::Broken), "{coding}, cut off");
            let twice = [whole.as_slice(), &whole].concat();
            assert_eq!(undo(coding, &twice, 5), Err(CodingFault::Broken), "{coding}, twice");
            assert_eq!(undo(coding, &twice, 5000), Err(CodingFault::Broken), "{coding}, twice");
            let plain = undo(coding, b"{\"model\":\"m\"}", 5);
            assert_eq!(plain, Err(CodingFault::Broken), "{coding}, not coded");
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let zeros = vec![0; 4 << 20];
        for coding in CODINGS {
            let bomb = encoded(coding, &zeros);
            for piece in [1 << 10, bomb.len()] {
                assert_eq!(undo(coding, &bomb, piece), Err(CodingFault::Bomb), "{coding}");
            }
        }
        let nested = encoded("br", &encoded("gzip", &zeros));
        assert_eq!(undo("gzip, br", &nested, nested.len()), Err(CodingFault::Bomb));
        // As much as may come out of anything does.
        let small = vec![b'a'; usize::try_from(FREE).unwrap()];
        assert_eq!(undo("gzip", &encoded("gzip", &small), 100).as_deref(), Ok(small.as_slice()));
    }

    #[test]
    fn windows_larger_than_a_reader_must_hold_are_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(24).unwrap();
        encoder.write_all(b"x").unwrap();
        let large = encoder.finish().unwrap();
        assert_eq!(undo("zstd", &large, 100), Err(CodingFault::Broken));
        // The first bytes of a brotli stream with a large window.
        assert_eq!(undo("br", &[0x11, 0x1e, 0x3b, 0x00], 100), Err(CodingFault::Broken));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_bytes_break_a_decoder(
            coding in prop::sample::select(CODINGS.to_vec()),
            text in prop::collection::vec(any::<u8>(), 0..200),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            piece in 1_usize..50,
        ) {
            let mut body = encoded(coding, &text);
            let intact = body.clone();
            for (at, byte) in flips {
                let at = at.index(body.len());
                body[at] = byte;
            }
            let undone = undo(coding, &body, piece);
            prop_assert!(body != intact || undone == Ok(text));
        }
    }
}
